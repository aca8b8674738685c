"""The seed wire, byte by byte: this is what users' readers rest on."""

import json

import pytest

from api.streams.cursor import Cursor
from api.wires.seed import SeedWire
from core.model.errors import Closing
from core.model.events import Done, Failed, Usage
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Reasoning, Text, ToolArguments, ToolCall, ToolCallBegun
from tests.unit.wires.conformance import Reader, WireConformance
from tests.unit.wires.sinks import CONTEXT, Watching, read

pytestmark = pytest.mark.anyio

Events = list[tuple[str | None, dict[str, object]]]


def events_of(body: bytes) -> Events:
    events: Events = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in lines:
            events.append((lines.get("id"), json.loads(lines["data"])))
    return events


class SeedReader(Reader):
    def read(self, frame: bytes) -> None:
        assert frame.endswith(b"\n\n")
        assert frame.count(b"\n\n") == 1
        if frame == b": closing\n\n":
            self.ends.append("closing")
        for event_id, data in events_of(frame):
            match data:
                case {"type": "restart"}:
                    self.text = ""
                case {"type": "done"}:
                    self.ends.append("whole")
                case {"type": "error"}:
                    self.ends.append("failed")
                case {"chunk": str(text)}:
                    self.text += text
            if event_id is not None:
                self.at = Cursor.parse(event_id)


class TestSeedWire(WireConformance):
    wire = SeedWire
    reader = SeedReader


@pytest.fixture
def wire() -> SeedWire:
    return SeedWire(CONTEXT)


@pytest.fixture
def feed() -> Feed:
    """A finished turn."""
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    feed.extend([Reasoning("hm"), Text("Bon"), Text("jour\n"), ToolCall("c1", "now", "{}")])
    feed.finish(Done(1, 11, "stop", Usage(5, 42)))
    return feed


async def test_the_whole_turn_as_events(feed: Feed, wire: SeedWire) -> None:
    assert await read(feed, wire) == (
        b"retry: 1000\n\n"
        b'id: 7.1.0\ndata: {"type":"start","turn":7,"attempt":1,"model":"m"}\n\n'
        b'id: 7.1.2\ndata: {"reasoning":"hm"}\n\n'
        b'id: 7.1.10\ndata: {"chunk":"Bonjour\\n"}\n\n'
        b'id: 7.1.11\ndata: {"tool_call":{"id":"c1","name":"now","arguments":"{}"}}\n\n'
        b'id: 7.1.12\ndata: {"type":"done","finish_reason":"stop","usage":{"input_tokens":5,"output_tokens":42}}\n\n'
    )


async def test_a_call_is_told_as_it_grows(wire: SeedWire) -> None:
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    feed.extend([ToolCallBegun("c1", "now"), ToolArguments('{"a":', 0), ToolArguments("1}", 0)])
    feed.finish(Done(1, 8, "tool_calls"))
    _, begun, arguments, _ = events_of(await read(feed, wire))
    assert begun == ("7.1.1", {"tool_call_begun": {"id": "c1", "name": "now"}})
    assert arguments == ("7.1.8", {"tool_call_arguments": {"call": 0, "text": '{"a":1}'}})


async def test_the_end_names_the_model_that_has_answered(wire: SeedWire) -> None:
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    feed.finish(Done(1, 0, "stop", model="m-2026"))
    (_, _), (_, done) = events_of(await read(feed, wire))
    assert done == {"type": "done", "finish_reason": "stop", "usage": None, "model": "m-2026"}


@pytest.mark.parametrize(("position", "chunk"), [(2, "Bonjour\n"), (5, "jour\n"), (9, "\n")])
async def test_it_goes_on_at_the_very_next_character(feed: Feed, wire: SeedWire, position: int, chunk: str) -> None:
    assert events_of(await read(feed, wire, Cursor(7, 1, position)))[0] == ("7.1.10", {"chunk": chunk})


async def test_an_id_of_a_lower_attempt_restarts(feed: Feed, wire: SeedWire) -> None:
    feed.attempt, feed.origin, feed.reason = 3, 3, "worker_lost"
    events = events_of(await read(feed, wire, Cursor(7, 1, 5)))
    assert events[0] == ("7.3.0", {"type": "restart", "attempt": 3, "reason": "worker_lost", "model": "m"})
    assert events[2] == ("7.3.10", {"chunk": "Bonjour\n"})


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_id_of_an_attempt_that_was_gone_on_with_goes_on(feed: Feed, wire: SeedWire, attempt: int) -> None:
    feed.attempt = 3
    assert events_of(await read(feed, wire, Cursor(7, attempt, 5)))[0] == ("7.3.10", {"chunk": "jour\n"})


async def test_a_failed_turn_ends_with_an_error_event(feed: Feed, wire: SeedWire) -> None:
    feed.finish(Failed(1, 11, "provider_error", "it failed"))
    last = events_of(await read(feed, wire))[-1]
    assert last == ("7.1.12", {"type": "error", "code": "provider_error", "message": "it failed"})


async def test_a_closing_process_says_so_without_an_event(feed: Feed, wire: SeedWire) -> None:
    feed.end = None
    feed.fail(Closing("restarting"))
    body = await read(feed, wire)
    assert body.endswith(b"\n\n: closing\n\n")
    assert events_of(body)[-1][0] == "7.1.11"


async def test_a_feed_that_broke_ends_with_an_error_event_that_cannot_be_resumed_after(
    feed: Feed, wire: SeedWire
) -> None:
    feed.end = None
    feed.fail(RuntimeError("of no interest to clients"))
    last = events_of(await read(feed, wire))[-1]
    assert last == (None, {"type": "error", "code": "internal_error", "message": "internal error"})


async def test_queue_positions_come_without_an_id(wire: SeedWire) -> None:
    feed = Feed(TurnKey("s", 1))
    feed.set_queue_position(2)
    async with Watching(feed, wire) as watching:
        assert events_of(watching.body) == [(None, {"type": "queued", "position": 2})]
