"""A fast channel: messages carried past the client library, over the library's own connection.

aiormq makes three frame objects, six queue entries and a task of every message. On a channel that has a fast one,
deliveries, returns and confirms are read from the bytes as they arrive, and what is published is written as bytes, many
messages in one system call. Everything else (connecting, declaring, heartbeats, errors) stays with aiormq.
"""

import asyncio
from struct import Struct
from typing import cast

from aiormq.abc import AbstractChannel, DeliveredMessage

from core.broker.fast_path.base import TRANSIENT, OnMessage, PublishRefused

HEARTBEAT_SECONDS = 2.0
"""aiormq hears at least this often that a busy connection lives."""

# AMQP 0-9-1, 4.2.3: a frame is its kind, its channel, the length of its payload, the payload, and an end.
_HEAD = Struct(">BHL")
_OVERHEAD = 8
_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3
_HEARTBEAT = _HEAD.pack(8, 0, 0) + _END
_METHOD_ID = Struct(">HH")
_PUBLISH, _RETURN, _DELIVER, _ACK, _NACK, _CLOSE = (60, 40), (60, 50), (60, 60), (60, 80), (60, 120), (20, 40)
_CONFIRM = Struct(">QB")
_BODY_SIZE = Struct(">Q")
_CONTENT = Struct(">HHQ")
_USUAL_FRAME_MAX = 128 * 1024
"""RabbitMQ's own; where it says 0, no limit, frames stay as large."""


class FastChannel:
    """See MessageChannel."""

    def __init__(self, protocol: "FastProtocol", channel: AbstractChannel, on_message: OnMessage | None) -> None:
        self._protocol = protocol
        self._channel = channel
        self._number = channel.number
        self._body_bytes = (channel.connection.connection_tune.frame_max or _USUAL_FRAME_MAX) - _OVERHEAD
        """Of one frame: RabbitMQ closes the connection over a larger one than was agreed."""
        self._on_message = on_message
        self._published = 0
        self._is_lost = False
        self._unconfirmed: dict[int, tuple[asyncio.Future[None], float]] = {}
        """By delivery tag: what is done when the confirm comes, and since when it is awaited."""
        self._mandatory: dict[_Address, asyncio.Future[None]] = {}
        """A returned message tells no more of itself than this. Only while the confirm is awaited."""
        self._message: _Message | None = None
        protocol.channels[self._number] = self

    def publish(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        properties: bytes = TRANSIENT,
        mandatory: bool = False,
    ) -> asyncio.Future[None]:
        """See MessageChannel."""
        confirmed: asyncio.Future[None] = self._protocol.loop.create_future()
        self._published += 1
        self._unconfirmed[self._published] = confirmed, self._protocol.loop.time()
        if mandatory:
            address = routing_key, body
            self._mandatory[address] = confirmed
            confirmed.add_done_callback(lambda _: self._forget_mandatory(address, confirmed))
        frames = _frames(
            self._number, body, exchange.encode(), routing_key.encode(), properties, mandatory, self._body_bytes
        )
        if self._is_lost or not self._protocol.send(frames):
            self._lose()
        return confirmed

    async def consume(self, queue: str, *, no_ack: bool) -> None:
        await self._channel.basic_consume(queue, _never, no_ack=no_ack)

    def waiting_seconds(self) -> float:
        oldest = next(iter(self._unconfirmed.values()), None)
        return 0.0 if oldest is None else self._protocol.loop.time() - oldest[1]

    def close(self) -> None:
        if self._protocol.channels.get(self._number) is self:
            del self._protocol.channels[self._number]
        self._lose()

    def _forget_mandatory(self, address: "_Address", confirmed: asyncio.Future[None]) -> None:
        if self._mandatory.get(address) is confirmed:
            del self._mandatory[address]

    def _lose(self) -> None:
        """What is not confirmed now never is."""
        self._is_lost = True
        for confirmed, _ in self._unconfirmed.values():
            _fail(confirmed, ConnectionError("the channel was lost"))
        self._unconfirmed.clear()
        self._mandatory.clear()

    def take(self, kind: int, payload: bytes) -> bool:
        """Whether the frame with this payload was for the fast channel; else it is aiormq's."""
        if kind == _METHOD:
            return self._take_method(payload)
        message = self._message
        if message is None:
            return False
        if kind == _HEADER:
            message.missing = _BODY_SIZE.unpack_from(payload, 4)[0]
        else:
            message.parts.append(payload)
            message.missing -= len(payload)
        if not message.missing:
            self._message = None
            body = message.parts[0] if len(message.parts) == 1 else b"".join(message.parts)
            if message.is_returned:  # its confirm follows, and finds it failed
                _fail(
                    self._mandatory.get((message.routing_key, body)),
                    PublishRefused("there is no queue for the message"),
                )
            elif self._on_message is not None:
                self._on_message(message.routing_key, body)
        return True

    def _take_method(self, payload: bytes) -> bool:
        method = _METHOD_ID.unpack_from(payload)
        at = _METHOD_ID.size
        if method == _DELIVER:
            at = _after(payload, at) + 9  # the consumer, the delivery's tag, whether it comes again
            self._message = _Message(_string(payload, _after(payload, at)), False)
        elif method == _RETURN:
            at = _after(payload, at + 2)  # the reason as a number and as a text
            self._message = _Message(_string(payload, _after(payload, at)), True)
        elif method in (_ACK, _NACK):
            self._confirm(*_CONFIRM.unpack_from(payload, at), is_refused=method == _NACK)
        else:
            if method == _CLOSE:
                self._lose()
            return False
        return True

    def _confirm(self, tag: int, flags: int, *, is_refused: bool) -> None:
        is_multiple = flags & 1
        tags = [known for known in self._unconfirmed if known <= tag] if is_multiple else [tag]
        for known in tags:
            confirmed, _ = self._unconfirmed.pop(known, (None, 0))
            if is_refused:
                _fail(confirmed, PublishRefused("the broker could not take the message"))
            elif confirmed is not None and not confirmed.done():
                confirmed.set_result(None)


_Address = tuple[str, bytes]
"""Routing key and body."""


class _Message:
    """One that is under way."""

    __slots__ = ("is_returned", "missing", "parts", "routing_key")

    def __init__(self, routing_key: str, is_returned: bool) -> None:
        self.routing_key = routing_key
        self.is_returned = is_returned
        self.missing = 0
        self.parts: list[bytes] = []


class FastProtocol(asyncio.StreamReaderProtocol):
    """Takes the frames of the fast channels out of the stream; aiormq reads the others, and knows of its own alone."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.loop = asyncio.get_running_loop()
        super().__init__(reader, loop=self.loop)
        self.channels: dict[int, FastChannel] = {}
        self.has_passed_on = False
        """Whether aiormq has got anything from here."""
        self._rest = b""
        self._out: list[bytes] = []
        self._passed_at = self.loop.time()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for fast_channel in list(self.channels.values()):
            fast_channel.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if data.startswith(b"AMQP"):  # the broker speaks another version; aiormq says so
            super().data_received(data)
            return
        at, size = 0, len(data)
        others: list[bytes] = []
        while size - at >= _OVERHEAD:
            kind, number, length = _HEAD.unpack_from(data, at)
            end = at + length + _OVERHEAD
            if end > size:
                break
            fast_channel = self.channels.get(number)
            if fast_channel is None or not fast_channel.take(kind, data[at + 7 : end - 1]):
                others.append(data[at:end])
            at = end
        self._rest = data[at:]
        self._pass_on(others)

    def send(self, frames: bytes) -> bool:
        """Written with all that is sent in this iteration of the event loop. False: the connection is lost."""
        if self._transport.is_closing():
            return False
        if not self._out:
            self.loop.call_soon(self._flush)
        self._out.append(frames)
        return True

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(out))

    def _pass_on(self, frames: list[bytes]) -> None:
        """aiormq takes a connection that is silent for dead, and a busy broker sends no heartbeats."""
        now = self.loop.time()
        if not frames and now - self._passed_at >= HEARTBEAT_SECONDS:
            frames = [_HEARTBEAT]
        if frames:
            self.has_passed_on = True
            self._passed_at = now
            super().data_received(b"".join(frames))


async def _never(message: DeliveredMessage) -> None:
    """aiormq wants a callback to consume, but never sees a message."""
    raise AssertionError(f"a message was not taken by its fast channel: {message.delivery}")


def _frames(
    number: int,
    body: bytes,
    exchange: bytes,
    routing_key: bytes,
    properties: bytes,
    is_mandatory: bool,
    body_bytes: int,
) -> bytes:
    """The method frame, the header frame, and as many body frames as it takes."""
    method_size = 9 + len(exchange) + len(routing_key)
    frames = [
        b"%b%b\x00\x00%c%b%c%b%c\xce%b%b%b\xce"
        % (
            _HEAD.pack(_METHOD, number, method_size),
            _METHOD_ID.pack(*_PUBLISH),
            len(exchange),
            exchange,
            len(routing_key),
            routing_key,
            is_mandatory,
            _HEAD.pack(_HEADER, number, _CONTENT.size + len(properties)),
            _CONTENT.pack(60, 0, len(body)),
            properties,
        )
    ]
    for at in range(0, len(body), body_bytes):
        piece = body[at : at + body_bytes]
        frames += (_HEAD.pack(_BODY, number, len(piece)), piece, _END)
    return b"".join(frames)


def _fail(confirmed: asyncio.Future[None] | None, error: Exception) -> None:
    if confirmed is not None and not confirmed.done():
        confirmed.set_exception(error)
        confirmed.exception()  # whoever published may wait for it no more


def _after(data: bytes, at: int) -> int:
    """Where the short string at `at` ends."""
    return at + 1 + data[at]


def _string(data: bytes, at: int) -> str:
    return data[at + 1 : at + 1 + data[at]].decode()
