"""Names and arguments of everything we declare in RabbitMQ. Whoever needs a thing declares it, always the same way."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from aiormq.abc import AbstractChannel

from core.model.keys import TurnKey
from core.settings import get_settings

PREFIX = get_settings().rabbit_mq_prefix
JOBS = f"{PREFIX}llm.jobs"
"""The default queue; see `jobs_of`."""
DEAD_JOBS = f"{PREFIX}llm.jobs.dead"
SESSIONS = f"{PREFIX}llm.sessions"
EVENTS = f"{PREFIX}llm.events"

CONSUMER_TIMEOUT_MS = 24 * 3600 * 1000
"""A job stays unacknowledged for as long as its turn runs; RabbitMQ's default of 30 minutes is for shorter jobs."""
DELIVERY_LIMIT = 20
"""A backstop: long before, a turn is given up for its lost attempts."""
JOBS_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": DEAD_JOBS,
    "x-consumer-timeout": CONSUMER_TIMEOUT_MS,
}
DEAD_JOBS_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum"}

SNAPSHOT_EVERY = 24
"""Messages of a session log from one snapshot to the next."""
LOG_MAX_LENGTH = SNAPSHOT_EVERY + 4
"""So that a snapshot and all that follows it are always there, and little else: whoever joins reads all of it."""
LOG_EXPIRES_MS = 7_200_000
"""Publishing does not count as use, so this is twice the longest turn: only a log that was left behind expires."""
LOG_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "classic",  # whatever the default of the virtual host is
    "x-single-active-consumer": True,
    "x-max-length": LOG_MAX_LENGTH,
    "x-overflow": "drop-head",
    "x-expires": LOG_EXPIRES_MS,
}


def log_name(key: TurnKey) -> str:
    """The queue of a turn's session log."""
    return f"{PREFIX}session.{key}"


class JobQueue(NamedTuple):
    waiting: int
    """Jobs that no worker has yet."""
    consumers: int
    """Workers that are connected, frozen ones among them."""


def jobs_of(queue: str | None) -> str:
    """The name of the queue whose jobs only workers take that serve `queue`, say an engine's. None: the default."""
    return JOBS if queue is None else f"{JOBS}.{queue}"


async def declare_jobs(channel: AbstractChannel, queue: str | None = None) -> JobQueue:
    """Declare a queue of jobs, and that of dead ones."""
    await channel.queue_declare(DEAD_JOBS, durable=True, arguments=DEAD_JOBS_ARGUMENTS)
    declared = await channel.queue_declare(jobs_of(queue), durable=True, arguments=JOBS_ARGUMENTS)
    return JobQueue(declared.message_count or 0, declared.consumer_count or 0)


async def declare_sessions(channel: AbstractChannel) -> None:
    await channel.exchange_declare(SESSIONS, exchange_type="direct", durable=True)


async def declare_events(channel: AbstractChannel) -> None:
    """The event bus; the routing keys are `core.bus.messages`'."""
    await channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)


async def declare_all(channel: AbstractChannel, queues: Iterable[str | None] = (None,)) -> None:
    """What a process needs that owns turns, with the queues of jobs that it sends to or takes from."""
    await declare_sessions(channel)
    await declare_events(channel)
    for queue in queues:
        await declare_jobs(channel, queue)


async def declare_log(channel: AbstractChannel, key: TurnKey) -> None:
    """Declare a turn's session log. It is written by its name: to bind it would cost more than all its messages."""
    await channel.queue_declare(log_name(key), durable=True, arguments=LOG_ARGUMENTS)


async def renew_log(channel: AbstractChannel, key: TurnKey) -> None:
    """An empty log in place of one that may be on a broker node that is down: that can be deleted, but not declared."""
    await channel.queue_delete(log_name(key))
    await declare_log(channel, key)
