"""The event bus tells of narrators in words that processes of earlier releases can read, and pass over."""

from typing import cast

import msgspec
import pytest

from core.broker.connection import BrokerConnection
from core.bus.messages import BusMessage, decode_message, digest_word, encode_message
from core.bus.publisher import BusPublisher
from tests.unit.fake_connection import FakeConnection

pytestmark = pytest.mark.anyio


class EarlierMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What every message had to have when turns alone were told of."""

    moment: str
    session_id: str
    turn: int
    attempt: int
    mode: str
    model: str
    at: float
    process: str


@pytest.fixture
def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
def publisher(connection: FakeConnection) -> BusPublisher:
    return BusPublisher(cast(BrokerConnection, connection), "api-here-1-a")


async def test_a_narrator_s_news_are_told_at_once(publisher: BusPublisher, connection: FakeConnection) -> None:
    publisher.on_narrator("s")
    routing_key, body = connection.fake.sent.get_nowait()
    assert routing_key == f"narrator.{digest_word('s')}"
    message = decode_message(body)
    assert (message.moment, message.session_id, message.turn, message.process) == ("narrator", "s", 0, "api-here-1-a")


async def test_without_a_broker_nobody_is_told_of_a_narrator(
    publisher: BusPublisher, connection: FakeConnection
) -> None:
    connection.is_down = True
    publisher.on_narrator("s")
    assert connection.refused == 1


def test_an_earlier_release_reads_of_a_turn_that_is_not_there() -> None:
    message = encode_message(BusMessage.of_narrator("s", "p"))
    assert msgspec.msgpack.decode(message, type=EarlierMessage).turn == 0
