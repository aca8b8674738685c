"""The inbox: the one RabbitMQ queue of this API process. A binding is a subscription to a turn's events."""

import asyncio
from collections.abc import Callable

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from core.broker.link import AMQP_ERRORS, Link
from core.broker.topology import SESSIONS, declare_sessions
from core.errors import BrokerDown
from core.events import BadEvent, Event, decode
from core.keys import TurnKey

log = structlog.get_logger()

OnEvent = Callable[[Event], None]

BINDERS = 8
"""Channels that bind. A channel's calls are carried out one after the other, each waits for most nodes of a cluster,
and when another process dies, hundreds of viewers come at once."""


class Inbox:
    """`on_renewed` is called after every new queue: events may have been missed, so every feed has to read its log."""

    def __init__(self, url: str, on_renewed: Callable[[], None]) -> None:
        self._link = Link(url, "hopstream inbox", self._set_up)
        self._on_renewed = on_renewed
        self._subscribers: dict[str, OnEvent] = {}
        self._bound: set[str] = set()
        """Routing keys of the subscribers that the queue is bound to."""
        self._binders: list[AbstractChannel] = []
        self._leaving = False
        self.queue = ""
        self.heard = asyncio.Event()
        """Set by what is sent to the queue itself rather than to a turn; see `api.echo`."""

    @property
    def up(self) -> bool:
        return self._link.up

    def start(self) -> None:
        self._link.start()

    async def stop(self) -> None:
        await self._link.stop()

    def leave(self) -> None:
        """It will stop soon. Its bindings go with its queue: hundreds of unbinds would only keep the broker from the
        binds of those who come back elsewhere."""
        self._leaving = True

    def replace(self) -> None:
        """Make a new one."""
        self._link.reset()

    async def subscribe(self, key: TurnKey, on_event: OnEvent) -> None:
        """Raises BrokerDown; the subscription is then made with the next connection."""
        self._subscribers[str(key)] = on_event
        if str(key) not in self._bound:
            await self._link.call(lambda _: self._bind(str(key)))

    async def unsubscribe(self, key: TurnKey) -> None:
        self._subscribers.pop(str(key), None)
        self._bound.discard(str(key))
        if self._leaving:
            return
        try:
            await self._link.call(lambda _: self._binder(str(key)).queue_unbind(self.queue, SESSIONS, str(key)))
        except BrokerDown:
            return  # the queue is gone, and its bindings with it

    async def _set_up(self, channel: AbstractChannel) -> None:
        await declare_sessions(channel)
        declared = await channel.queue_declare(exclusive=True)
        self.queue = declared.queue or ""
        channel.on_consumer_cancel_callbacks.add(lambda _: self._link.reset())
        await channel.basic_consume(self.queue, self._on_message, no_ack=True)
        self._binders = [await channel.connection.channel(publisher_confirms=False) for _ in range(BINDERS)]
        self._bound.clear()
        while missing := self._subscribers.keys() - self._bound:
            await asyncio.gather(*map(self._bind, missing))
        self._on_renewed()

    async def _bind(self, routing_key: str) -> None:
        try:
            await self._binder(routing_key).queue_bind(self.queue, SESSIONS, routing_key)
        except AMQP_ERRORS:
            self._link.reset()  # it has lost more than one channel, or will
            raise
        self._bound.add(routing_key)

    def _binder(self, routing_key: str) -> AbstractChannel:
        """The same one for a key always, so that its bind and its unbind stay in order."""
        return self._binders[hash(routing_key) % BINDERS]

    async def _on_message(self, message: DeliveredMessage) -> None:
        on_event = self._subscribers.get(message.routing_key or "")
        if on_event is None:
            if message.routing_key == self.queue:
                self.heard.set()
            return
        try:
            on_event(decode(message.body))
        except BadEvent as error:
            log.error("event not read", action="inbox.bad_event", error=error.message)
