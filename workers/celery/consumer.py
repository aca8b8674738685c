"""Celery's consumer without what we do not need."""

from time import sleep
from typing import Any

from amqp.exceptions import AccessRefused  # type: ignore[import-untyped]
from celery.worker.consumer import Consumer as CeleryConsumer

REFUSED_PAUSE_SECONDS = 2.0


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery has no types
    """No gossip, no mingle, and no native delayed delivery: with a quorum queue that would declare 28 more quorum
    queues, for the ETA and countdown that nothing here uses."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]
        default_steps = [  # noqa: RUF012 - as Celery declares it
            step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "without_gossip": True, "without_mingle": True})

    def on_ready(self) -> None:
        """From now on jobs come."""
        super().on_ready()
        self.pool.is_consuming = True

    def on_close(self) -> None:
        self.pool.is_consuming = False
        super().on_close()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery tries again at once, which mends no missing right."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, AccessRefused):
            sleep(REFUSED_PAUSE_SECONDS)

    def cancel_active_requests(self) -> None:
        """At a cold shutdown (SIGQUIT, a second Ctrl-C). Celery's would end the answers as if people had cancelled."""
        self.pool.hand_over()
