"""The inbox: what cannot be read of one turn is no loss for the others."""

import msgspec
import pytest

from api.streams.inbox import Inbox
from core.broker.bundle import BUNDLE, encode_bundle
from core.model.events import Batch, Event, encode
from core.model.keys import TurnKey
from core.model.tape import Text

pytestmark = pytest.mark.anyio

GOOD = Batch(1, 0, [Text("tea")])
BROKEN = msgspec.msgpack.encode(["from a later version", 1])


@pytest.mark.parametrize(
    "messages",
    [
        [(BUNDLE, encode_bundle({"a.1": BROKEN, "b.1": encode(GOOD)}))],
        [(BUNDLE, b"no bundle"), ("a.1", BROKEN), ("b.1", encode(GOOD))],
    ],
)
async def test_what_cannot_be_read_is_passed_over(messages: list[tuple[str, bytes]]) -> None:
    inbox = Inbox("amqp://localhost/", lambda: None)
    inbox.queue = "inbox"
    heard: dict[str, list[Event]] = {"a": [], "b": []}
    for session, events in heard.items():
        inbox._subscribers[str(TurnKey(session, 1))] = events.append
    for routing_key, body in messages:
        inbox._on_message(routing_key, body)
    assert heard == {"a": [], "b": [GOOD]}
