"""The inbox: the one RabbitMQ queue of this API process. A binding is a subscription to a turn's events.

Under load these come in bundles of a whole worker, which reach every inbox.
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from aiormq.abc import AbstractChannel

from core.broker.bundle import BUNDLE, decode_bundle
from core.broker.connection import MANY_CHANNELS, BrokerConnection
from core.broker.topology import SESSIONS, declare_sessions
from core.model.errors import BrokerDown
from core.model.events import DECODER, BadEvent, Event, decode
from core.model.feed import Feed
from core.model.keys import TurnKey

log = structlog.get_logger()

MAX_EARLY = 1000
"""Events kept until what is before them is there: twenty seconds of a fast model."""


class FeedSubscription:
    """What is heard of one turn goes straight into its feed."""

    def __init__(self, feed: Feed, on_gap: Callable[[], None], on_over: Callable[[], None]) -> None:
        """`on_gap`: events are missing before one that came; `on_over`: the feed's end came."""
        self.heard = 0
        """How many events have gone straight into the feed, without a gap before them, since `renew`."""
        self.early: list[Event] = []
        """Events that wait for what is missing before them."""
        self._feed = feed
        self._on_gap = on_gap
        self._on_over = on_over

    def take(self, encoded: bytes | msgspec.Raw) -> None:
        """Raises BadEvent."""
        try:
            event: Event | None = DECODER.decode(encoded)
        except msgspec.MsgspecError:
            event = decode(encoded)
        if event is None:
            return
        feed = self._feed
        if not feed.apply(event):
            if len(self.early) >= MAX_EARLY:
                self.early.clear()
            self.early.append(event)
            self._on_gap()
            return
        if event.attempt == feed.attempt:
            self.heard += 1
        if feed.end is not None:
            self._on_over()

    def renew(self) -> None:
        """What came since the last event was missed."""
        self.heard = 0
        self.early.clear()


class Inbox:
    """`on_renewed` is called after every new queue: events may have been missed, so every feed has to read its log."""

    def __init__(
        self, url: str, on_renewed: Callable[[], None], own_key: str, on_request: Callable[[bytes], None]
    ) -> None:
        """`own_key`: the routing key of what other API processes ask of this one, which `on_request` is told."""
        self._own_key = own_key
        self._on_request = on_request
        self._connection = BrokerConnection(url, "hopstream inbox", self._set_up, channels=MANY_CHANNELS)
        self._on_renewed = on_renewed
        self._subscriptions: dict[str, FeedSubscription] = {}
        self._bound: set[str] = set()
        """Routing keys of the subscriptions that the queue is bound to."""
        self._leaving = False
        self.queue = ""
        self.heard = asyncio.Event()
        """Set by what is sent to the queue itself rather than to a turn; see `api.streams.inbox_check`."""

    @property
    def up(self) -> bool:
        return self._connection.up

    def start(self) -> None:
        self._connection.start()

    async def stop(self) -> None:
        await self._connection.stop()

    def leave(self) -> None:
        """The process will stop soon: unbind nothing any more. RabbitMQ drops the bindings with the queue, and hundreds
        of unbinds would only delay the binds of viewers that reconnect to other processes."""
        self._leaving = True

    def replace(self) -> None:
        """Make a new one."""
        self._connection.reset()

    async def subscribe(self, key: TurnKey, subscription: FeedSubscription) -> None:
        """Raises BrokerDown; the subscription is then made with the next connection."""
        self._subscriptions[str(key)] = subscription
        if str(key) not in self._bound:
            await self._connection.call(lambda channel: self._bind(channel, str(key)), about=str(key))

    async def unsubscribe(self, key: TurnKey) -> None:
        self._subscriptions.pop(str(key), None)
        self._bound.discard(str(key))
        if self._leaving:
            return
        try:
            await self._connection.call(
                lambda channel: channel.queue_unbind(self.queue, SESSIONS, str(key)), about=str(key)
            )
        except BrokerDown:
            return  # the queue is gone, and its bindings with it

    async def _set_up(self, channel: AbstractChannel) -> None:
        await declare_sessions(channel)
        declared = await channel.queue_declare(exclusive=True)
        self.queue = declared.queue or ""
        await channel.queue_bind(self.queue, SESSIONS, BUNDLE)
        await channel.queue_bind(self.queue, SESSIONS, self._own_key)
        channel.on_consumer_cancel_callbacks.add(lambda _: self._connection.reset())
        messages = self._connection.message_channel_on(channel, self._on_message)
        await messages.consume(self.queue, no_ack=True)
        self._bound.clear()
        while missing := self._subscriptions.keys() - self._bound:
            await asyncio.gather(*(self._bind(self._connection.channel_for(key), key) for key in missing))
        self._on_renewed()

    async def _bind(self, channel: AbstractChannel, routing_key: str) -> None:
        await channel.queue_bind(self.queue, SESSIONS, routing_key)
        self._bound.add(routing_key)

    def _on_message(self, routing_key: str, body: bytes) -> None:
        if routing_key == self.queue:
            self.heard.set()
            return
        if routing_key == self._own_key:
            self._on_request(body)
            return
        try:
            events = decode_bundle(body) if routing_key == BUNDLE else {routing_key: body}
        except BadEvent as error:
            log.error("bundle not read", action="inbox.bad_event", error=error.message)
            return
        for key, encoded in events.items():
            if subscription := self._subscriptions.get(key):
                try:
                    subscription.take(encoded)
                except BadEvent as error:
                    log.error("event not read", action="inbox.bad_event", key=key, error=error.message)
