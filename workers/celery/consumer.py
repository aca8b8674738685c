"""Celery's consumer without what we do not need."""

from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery has no types
    """No gossip, no mingle, and no native delayed delivery: with a quorum queue that would declare 28 more quorum
    queues, for the ETA and countdown that nothing here uses."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]
        default_steps = [  # noqa: RUF012 - as Celery declares it
            step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "without_gossip": True, "without_mingle": True})

    def cancel_active_requests(self) -> None:
        """At a cold shutdown (SIGQUIT, a second Ctrl-C). Celery's would end the answers as if people had cancelled."""
        self.pool.hand_over()
