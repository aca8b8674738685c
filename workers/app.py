"""The Celery app. All that a worker needs is set here, so that plain `celery -A workers.app worker` works."""

import logging
import secrets
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from kombu.entity import Exchange, Queue

from core.broker.jobs import TASK_NAME
from core.broker.tls import celery_tls
from core.broker.topology import JOBS, JOBS_ARGUMENTS, PREFIX, jobs_of
from core.settings import get_settings
from core.telemetry.logs import configure_logs
from workers.queues import served_queues

BROKER_HEARTBEAT_SECONDS = 10
POOL = "workers.celery.pool:TaskPool"

settings = get_settings()
queues = [jobs_of(queue) for queue in served_queues(settings)]
app = Celery("workers", broker=settings.rabbit_mq, include=["workers.celery.tasks"])
app.conf.update(
    worker_pool=POOL,
    worker_consumer="workers.celery.consumer:Consumer",
    worker_concurrency=settings.worker_concurrency,
    worker_prefetch_multiplier=1,  # a job that a busy worker holds back could run elsewhere
    worker_cancel_long_running_tasks_on_connection_loss=False,  # the claim keeps a redelivered job from running twice
    worker_hijack_root_logger=False,
    worker_send_task_events=False,  # Flower turns them on, and so does `celery control enable_events`
    task_queues=[Queue(name, Exchange(""), routing_key=name, queue_arguments=JOBS_ARGUMENTS) for name in queues],
    task_default_queue=JOBS,
    task_routes={TASK_NAME: {"queue": JOBS}},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_track_started=True,
    control_exchange=f"{PREFIX}celery",
    event_exchange=f"{PREFIX}celeryev",
    broker_use_ssl=celery_tls(settings.rabbit_mq),
    broker_heartbeat=BROKER_HEARTBEAT_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # while a cluster misses a node, it holds on to the queues of its connections
)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _set_up_logging(**_: Any) -> None:
    configure_logs(settings, "worker")
    logging.getLogger("celery.worker.request").addFilter(_calm_late_ack)


def _calm_late_ack(record: logging.LogRecord) -> bool:
    """Critical to Celery, with a traceback each; here such a job comes again, and its claim fails."""
    if str(record.msg).startswith("Couldn't ack"):
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
    return True


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _name_node(instance: Any, **_: Any) -> None:
    """A unique node name for each start: RabbitMQ 4.3 refuses a name whose old connection lingers (RESOURCE_LOCKED).

    With the prefix, because a queue is named after it, and a user of RabbitMQ may have rights for that prefix alone.
    """
    name, _, host = instance.hostname.partition("@")
    if name == "celery":
        name = f"worker-{secrets.token_hex(3)}"
    if not name.startswith(PREFIX):
        name = PREFIX + name
    instance.hostname = f"{name}@{host}"


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _refuse_other_pools(options: dict[str, Any], **_: Any) -> None:
    """They run a job in a process or thread that knows nothing of our event loop, where each would fail."""
    chosen = options.get("pool_cls") or options.get("pool")
    if chosen is not None and f"{chosen.__module__}:{chosen.__qualname__}" != POOL:
        raise SystemExit(
            "--pool (-P): Hopstream's workers have a pool of their own. Leave the option out; how many answers run at "
            "once is said by --concurrency (-c) or WORKER_CONCURRENCY"
        )
