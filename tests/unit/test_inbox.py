"""The inbox: what cannot be read of one turn is no loss for the others."""

import msgspec
import pytest

from api.streams.inbox import FeedSubscription, Inbox
from core.broker.bundle import BUNDLE, encode_bundle
from core.model.events import Batch, encode
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Text

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
    inbox = Inbox("amqp://localhost/", lambda: None, "@test", lambda _: None)
    inbox.queue = "inbox"
    feeds = {session: Feed(TurnKey(session, 1)) for session in "ab"}
    for feed in feeds.values():
        feed.start(1, "m")
        inbox._subscriptions[str(feed.key)] = FeedSubscription(feed, lambda: None, lambda: None)
    for routing_key, body in messages:
        inbox._on_message(routing_key, body)
    assert {session: feed.tape.text() for session, feed in feeds.items()} == {"a": "", "b": "tea"}
