"""How fast channels read and write a connection's bytes, however they are cut."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from aiormq.abc import AbstractChannel
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from core.broker.fast_path.base import OnMessage, PublishRefused
from core.broker.fast_path.channel import FastChannel, FastProtocol

pytestmark = pytest.mark.anyio

FAST, OTHER = 3, 1
BODIES = [b"", b"one", b"two in three frames", "zażółć 👩‍👩‍👧".encode()]


def _deliver(body: bytes, pieces: int, number: int = FAST) -> bytes:
    deliver = commands.Basic.Deliver("ctag", 7, False, "an exchange", "a key")
    size = -(-len(body) // pieces) or 1
    parts = [ContentBody(body[at : at + size]) for at in range(0, len(body), size)]
    header = ContentHeader(0, len(body), commands.Basic.Properties(message_id="m"))
    return b"".join([frame.marshal(deliver, number), frame.marshal(header, number), *_marshal(parts, number)])


def _marshal(parts: list[ContentBody], number: int) -> list[bytes]:
    return [frame.marshal(part, number) for part in parts]


FOR_AIORMQ = [
    frame.marshal(commands.Queue.DeclareOk("q", 1, 2), FAST),
    _deliver(b"not the fast channel's", 1, OTHER),
    frame.marshal(Heartbeat(), 0),
]
STREAM = b"".join(
    [
        _deliver(BODIES[0], 1),
        FOR_AIORMQ[0],
        _deliver(BODIES[1], 1),
        FOR_AIORMQ[1],
        _deliver(BODIES[2], 3),
        FOR_AIORMQ[2],
        _deliver(BODIES[3], 2),
    ]
)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


def _protocol() -> tuple[FastProtocol, asyncio.StreamReader, Transport]:
    reader, transport = asyncio.StreamReader(), Transport()
    protocol = FastProtocol(reader)
    protocol.connection_made(transport)
    return protocol, reader, transport


def _fast(protocol: FastProtocol, on_message: OnMessage | None, frame_max: int = 131_072) -> FastChannel:
    tune = commands.Connection.Tune(frame_max=frame_max)
    channel = SimpleNamespace(number=FAST, connection=SimpleNamespace(connection_tune=tune))
    return FastChannel(protocol, cast(AbstractChannel, channel), on_message)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 50, len(STREAM)])
async def test_fast_channels_and_aiormq_get_what_is_theirs_however_the_bytes_are_cut(size: int) -> None:
    protocol, reader, _ = _protocol()
    got: list[tuple[str, bytes]] = []
    _fast(protocol, lambda routing_key, body: got.append((routing_key, body)))
    for at in range(0, len(STREAM), size):
        protocol.data_received(STREAM[at : at + size])
    reader.feed_eof()
    assert got == [("a key", body) for body in BODIES]
    assert await reader.read() == b"".join(FOR_AIORMQ)


async def test_confirms_for_one_and_for_many() -> None:
    protocol, _, transport = _protocol()
    fast_channel = _fast(protocol, None)
    first, second, third, fourth = (fast_channel.publish(b"x", "", "q") for _ in range(4))
    await asyncio.sleep(0)
    assert transport.written.count(b"\xce") >= 4
    protocol.data_received(frame.marshal(commands.Basic.Ack(2, True), FAST))
    protocol.data_received(frame.marshal(commands.Basic.Nack(4, False, False), FAST))
    assert [each.done() for each in (first, second, third)] == [True, True, False]
    assert fourth.exception() is not None
    protocol.data_received(frame.marshal(commands.Basic.Ack(3, False), FAST))
    assert third.result() is None
    assert fast_channel.waiting_seconds() == 0


@pytest.mark.parametrize(("agreed", "largest"), [(131_072, 131_072), (4096, 4096), (8192, 8192), (0, 131_072)])
async def test_what_is_published_can_be_read_by_amqp_rules(agreed: int, largest: int) -> None:
    """And no frame is larger than what was agreed with the broker."""
    protocol, _, transport = _protocol()
    _fast(protocol, None, agreed).publish("ą".encode() * 100_000, "e", "k", mandatory=True)
    await asyncio.sleep(0)
    frames, data = [], transport.written
    while data:
        size, number, read = frame.unmarshal(data)
        assert number == FAST
        assert size <= largest
        frames.append(read)
        data = data[size:]
    publish, header, *bodies = frames
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("e", "k", True)
    assert isinstance(header, ContentHeader)
    assert (header.body_size, header.properties.delivery_mode) == (200_000, 1)
    assert b"".join(body.value for body in bodies if isinstance(body, ContentBody)) == "ą".encode() * 100_000


async def test_a_busy_connection_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker sends no heartbeats while it sends messages, and aiormq sees none of those."""
    monkeypatch.setattr("core.broker.fast_path.channel.HEARTBEAT_SECONDS", 0.0)
    protocol, reader, _ = _protocol()
    _fast(protocol, None)
    protocol.data_received(_deliver(b"x", 1))
    reader.feed_eof()
    assert await reader.read() == frame.marshal(Heartbeat(), 0)


async def test_nothing_is_kept_of_a_message_that_was_confirmed_or_returned() -> None:
    """A worker publishes mandatory messages to a new queue with every turn."""
    protocol, _, _ = _protocol()
    fast_channel = _fast(protocol, None)
    fast_channel.publish(b"x", "", "there", mandatory=True)
    refused = fast_channel.publish(b"x", "", "not there", mandatory=True)
    returned = commands.Basic.Return(312, "NO_ROUTE", "", "not there")
    header = ContentHeader(0, 1, commands.Basic.Properties())
    for part in (returned, header, ContentBody(b"x"), commands.Basic.Ack(2, True)):
        protocol.data_received(frame.marshal(part, FAST))
    assert isinstance(refused.exception(), PublishRefused)
    await asyncio.sleep(0)
    assert (len(fast_channel._unconfirmed), len(fast_channel._mandatory)) == (0, 0)


async def test_of_messages_to_one_queue_the_one_that_came_back_is_refused() -> None:
    """All jobs go to the same one."""
    protocol, _, _ = _protocol()
    fast_channel = _fast(protocol, None)
    refused = fast_channel.publish(b"first", "", "jobs", mandatory=True)
    taken = fast_channel.publish(b"second", "", "jobs", mandatory=True)
    returned = commands.Basic.Return(312, "NO_ROUTE", "", "jobs")
    header = ContentHeader(0, 5, commands.Basic.Properties(content_type="application/json"))
    for part in (returned, header, ContentBody(b"first"), commands.Basic.Ack(2, True)):
        protocol.data_received(frame.marshal(part, FAST))
    assert isinstance(refused.exception(), PublishRefused)
    assert taken.result() is None


async def test_a_message_keeps_its_properties() -> None:
    protocol, _, transport = _protocol()
    properties = commands.Basic.Properties(delivery_mode=2, correlation_id="one", headers={"task": "generate"})
    _fast(protocol, None).publish(b"x", "", "jobs", properties=properties.marshal())
    await asyncio.sleep(0)
    size, *_ = frame.unmarshal(transport.written)
    *_, header = frame.unmarshal(transport.written[size:])
    assert isinstance(header, ContentHeader)
    assert (header.properties.delivery_mode, header.properties.correlation_id) == (2, "one")
    assert header.properties.headers == {"task": "generate"}
