"""Message channels on a real broker, fast and plain: nothing lost or out of order, and failures that are told."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from aiormq.abc import AbstractChannel

from core.broker.fast_path.base import MessageChannel, PublishRefused
from core.broker.fast_path.channel import FastChannel
from core.broker.fast_path.connection import FastConnection, connect
from core.broker.fast_path.plain import PlainChannel
from tests.patience import PATIENCE_SECONDS
from tests.proxy import Proxy
from tests.stack import BROKER

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("broker")]

SIZES = (0, 1, 100, 4087, 4088, 4089, 8193, 131_063, 131_064, 131_065, 400_000, 7)
"""Around those of frames."""


@pytest.fixture(params=[FastChannel, PlainChannel], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[MessageChannel]:
    kind: type[MessageChannel] = request.param
    if kind is PlainChannel:
        monkeypatch.setattr(FastConnection, "is_fast", False)
    return kind


@pytest.fixture
async def connection(proxy: Proxy) -> AsyncIterator[FastConnection]:
    connection = await connect(proxy.url, timeout=PATIENCE_SECONDS)
    yield connection
    await connection.close()


@pytest.fixture
async def other_connection() -> AsyncIterator[FastConnection]:
    connection = await connect(BROKER, timeout=PATIENCE_SECONDS)
    yield connection
    await connection.close()


class Reader:
    """A queue of its own and what came to it."""

    def __init__(self) -> None:
        self.name = f"messages-{secrets.token_hex(4)}"
        self.messages: list[tuple[str, bytes]] = []
        self.came = asyncio.Event()

    async def open(self, connection: FastConnection) -> None:
        channel = await _channel(connection)
        messages = connection.message_channel(channel, self._on_message)
        await channel.queue_declare(self.name, exclusive=True)
        await messages.consume(self.name, no_ack=True)

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.messages) < count:
                self.came.clear()
                await self.came.wait()
        return [body for _, body in self.messages]

    def _on_message(self, routing_key: str, body: bytes) -> None:
        self.messages.append((routing_key, body))
        self.came.set()


async def test_messages_of_every_size_arrive_whole_and_in_order(
    connection: FastConnection, other_connection: FastConnection
) -> None:
    reader = Reader()
    await reader.open(other_connection)
    sent = [secrets.token_bytes(size) for size in SIZES] * 5
    publishing = await _publishing(connection)
    confirms = [publishing.publish(body, "", reader.name) for body in sent]
    await asyncio.gather(*confirms)
    assert await reader.until(len(sent)) == sent
    assert {routing_key for routing_key, _ in reader.messages} == {reader.name}
    assert publishing.waiting_seconds() == 0


async def test_the_way_is_the_one_that_was_asked_for(connection: FastConnection, kind: type[MessageChannel]) -> None:
    assert type(await _publishing(connection)) is kind


async def test_a_thousand_publishes_at_once_are_each_confirmed(
    connection: FastConnection, other_connection: FastConnection
) -> None:
    reader = Reader()
    await reader.open(other_connection)
    publishing = await _publishing(connection)
    await asyncio.gather(*(publishing.publish(b"%d" % number, "", reader.name) for number in range(1000)))
    assert await reader.until(1000) == [b"%d" % number for number in range(1000)]


async def test_a_mandatory_message_without_a_queue_is_refused_and_others_are_not(connection: FastConnection) -> None:
    publishing = await _publishing(connection)
    nowhere = publishing.publish(b"x" * 200_000, "", "no-such-queue", mandatory=True)
    anywhere = publishing.publish(b"x", "", "no-such-queue")
    with pytest.raises(PublishRefused):
        await nowhere
    await anywhere


async def test_what_is_not_confirmed_fails_when_the_connection_is_lost(
    connection: FastConnection, proxy: Proxy
) -> None:
    publishing = await _publishing(connection)
    proxy.black_hole()
    waiting = publishing.publish(b"x", "", "anywhere")
    await asyncio.sleep(0)
    assert publishing.waiting_seconds() > 0
    proxy.cut()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    with pytest.raises(ConnectionError):
        await publishing.publish(b"x", "", "anywhere")


async def test_a_channel_that_the_broker_closes_fails_what_waits_on_it(connection: FastConnection) -> None:
    publishing = await _publishing(connection)
    with pytest.raises(ConnectionError):
        await publishing.publish(b"x", "no-such-exchange", "anywhere")
    with pytest.raises(ConnectionError):
        await publishing.publish(b"x", "", "anywhere")
    await (await _publishing(connection)).publish(b"x", "", "anywhere")


async def test_calls_and_messages_share_a_connection(connection: FastConnection) -> None:
    publishing = await _publishing(connection)
    calling = await _channel(connection)
    for number in range(50):
        confirmed = publishing.publish(b"x", "", f"anywhere-{number}")
        name = (await calling.queue_declare(exclusive=True)).queue
        await confirmed
        await calling.queue_delete(name or "")


async def _channel(connection: FastConnection) -> AbstractChannel:
    channel = connection.channel(publisher_confirms=True, on_return_raises=True)
    await channel.initialize()
    return await channel.get_underlay_channel()


async def _publishing(connection: FastConnection) -> MessageChannel:
    return connection.message_channel(await _channel(connection))
