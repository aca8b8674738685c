"""Viewers and wires: what a client reads from a feed, byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from api.streams import viewer
from api.streams.cursor import Cursor
from api.streams.viewer import Unfinished, Wire, view
from api.wires.seed import SeedWire
from api.wires.text import TextWire
from core.model.errors import Closing
from core.model.events import Done, Failed, Usage
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Part, Reasoning, Text, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture
def feed() -> Feed:
    """A finished turn."""
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    feed.extend([Reasoning("hm"), Text("Bon"), Text("jour\n"), ToolCall("c1", "now", "{}")])
    feed.finish(Done(1, 11, "stop", Usage(5, 42)))
    return feed


async def _read(feed: Feed, wire: Wire, cursor: Cursor | None = None) -> bytes:
    return b"".join([frame async for frame in view(feed, cursor, wire)])


def _events(body: bytes) -> list[tuple[str | None, dict[str, object]]]:
    events = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            events.append((lines.get("id"), json.loads(lines["data"])))
    return events


async def test_the_whole_turn_as_events(feed: Feed) -> None:
    body = await _read(feed, SeedWire())
    assert body.startswith(b"retry: 1000\n\n")
    assert _events(body) == [
        ("7.1.0", {"type": "start", "turn": 7, "attempt": 1, "model": "m"}),
        ("7.1.2", {"reasoning": "hm"}),
        ("7.1.10", {"chunk": "Bonjour\n"}),
        ("7.1.11", {"tool_call": {"id": "c1", "name": "now", "arguments": "{}"}}),
        ("7.1.12", {"type": "done", "finish_reason": "stop", "usage": {"input_tokens": 5, "output_tokens": 42}}),
    ]
    assert body.count(b"\n\n") == 6


@pytest.mark.parametrize(("position", "chunk"), [(2, "Bonjour\n"), (5, "jour\n"), (9, "\n")])
async def test_it_goes_on_at_the_very_next_character(feed: Feed, position: int, chunk: str) -> None:
    assert _events(await _read(feed, SeedWire(), Cursor(7, 1, position)))[0] == ("7.1.10", {"chunk": chunk})


async def test_an_id_of_a_lower_attempt_restarts(feed: Feed) -> None:
    feed.attempt, feed.reason = 3, "worker_lost"
    events = _events(await _read(feed, SeedWire(), Cursor(7, 1, 5)))
    assert events[0] == ("7.3.0", {"type": "restart", "attempt": 3, "reason": "worker_lost"})
    assert events[2] == ("7.3.10", {"chunk": "Bonjour\n"})


async def test_plain_text_is_the_text_alone(feed: Feed) -> None:
    assert await _read(feed, TextWire()) == b"Bonjour\n"


async def test_plain_text_breaks_off_rather_than_splice(feed: Feed) -> None:
    feed.end = None
    wire, body = TextWire(), b""
    reading = view(feed, None, wire)
    body += await anext(reading) + await anext(reading)
    assert body == b"Bonjour\n"
    feed.start(2, "m", "worker_lost")
    with pytest.raises(Unfinished):
        await anext(reading)


async def test_plain_text_breaks_off_at_an_error(feed: Feed) -> None:
    feed.finish(Failed(1, 11, "provider_error", "it failed"))
    with pytest.raises(Unfinished, match="it failed"):
        await _read(feed, TextWire())


async def test_a_failed_turn_ends_with_an_error_event(feed: Feed) -> None:
    feed.finish(Failed(1, 11, "provider_error", "it failed"))
    last = _events(await _read(feed, SeedWire()))[-1]
    assert last == ("7.1.12", {"type": "error", "code": "provider_error", "message": "it failed"})


async def test_a_closing_process_says_so_without_an_event(feed: Feed) -> None:
    feed.end = None
    feed.fail(Closing("restarting"))
    body = await _read(feed, SeedWire())
    assert body.endswith(b"\n\n: closing\n\n")
    assert _events(body)[-1][0] == "7.1.11"


async def test_queue_positions_come_without_an_id() -> None:
    feed = Feed(TurnKey("s", 1))
    feed.set_queue_position(2)
    reading = view(feed, None, SeedWire())
    assert _events(await anext(reading) + await anext(reading)) == [(None, {"type": "queued", "position": 2})]
    await _close(reading)


async def test_silence_is_filled_with_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "PING_SECONDS", 0.01)
    reading = view(Feed(TurnKey("s", 1)), None, SeedWire())
    await anext(reading)
    assert [await anext(reading) for _ in range(2)] == [b": ping\n\n"] * 2
    await _close(reading)


async def test_what_all_viewers_of_a_wire_need_is_framed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    framed = []

    def parts(self: SeedWire, parts: list[Part], start: Cursor) -> bytes:
        framed.append(start.position)
        return f"{start.position}: {parts}".encode()

    monkeypatch.setattr(SeedWire, "parts", parts)
    feed = Feed(TurnKey("s", 1))
    feed.start(1, "m")
    readings = [view(feed, None, SeedWire()) for _ in range(3)]
    for reading in readings:
        await anext(reading)
    for text in ("ab", "c"):
        feed.extend([Text(text)])
        assert len({await anext(reading) for reading in readings}) == 1
    assert framed == [0, 2]
    for reading in readings:
        await _close(reading)


async def test_a_viewer_that_leaves_watches_no_more() -> None:
    feed = Feed(TurnKey("s", 1))
    reading = view(feed, None, SeedWire())
    await anext(reading)
    waiting = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    assert feed._watchers
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not feed._watchers


async def _close(reading: AsyncIterator[bytes]) -> None:
    await reading.aclose()  # type: ignore[attr-defined]


class Pushed:
    """What a viewer wrote at once, and what it gave to whoever awaits it."""

    def __init__(self, feed: Feed, wire: Wire) -> None:
        self.is_ready = True
        self.written: list[bytes] = []
        self.reading = view(feed, None, wire, self)

    def write(self, frames: bytes) -> None:
        self.written.append(frames)

    async def awaited(self) -> "asyncio.Task[bytes]":
        """The next frames, that somebody waits for by now."""

        async def read() -> bytes:
            return await anext(self.reading)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        return task


async def test_what_is_added_while_a_viewer_is_awaited_is_written_at_once() -> None:
    feed = Feed(TurnKey("s", 1))
    feed.start(1, "m")
    viewer = Pushed(feed, TextWire())
    assert await anext(viewer.reading) == b""
    awaited = await viewer.awaited()
    for text in ("a", "b"):
        feed.extend([Text(text)])
    assert viewer.written == [b"a", b"b"]
    assert not awaited.done()
    feed.extend([Reasoning("nothing to show")])
    feed.finish(Done(1, 17, "stop"))
    await asyncio.wait([awaited])
    assert isinstance(awaited.exception(), StopAsyncIteration)
    assert viewer.written == [b"a", b"b"]


async def test_a_client_that_does_not_keep_up_is_awaited() -> None:
    feed = Feed(TurnKey("s", 1))
    feed.start(1, "m")
    viewer = Pushed(feed, TextWire())
    await anext(viewer.reading)
    awaited = await viewer.awaited()
    viewer.is_ready = False
    feed.extend([Text("a")])
    viewer.is_ready = True
    feed.extend([Text("b")])  # not before what is waiting
    assert await awaited == b"ab"
    feed.extend([Text("c")])  # nobody awaits us: the client is being written to
    assert await anext(viewer.reading) == b"c"
    assert viewer.written == []
    await _close(viewer.reading)


async def test_all_but_growth_is_left_to_whoever_awaits() -> None:
    feed = Feed(TurnKey("s", 1))
    feed.start(1, "m")
    viewer = Pushed(feed, SeedWire())
    await anext(viewer.reading)
    await anext(viewer.reading)
    awaited = await viewer.awaited()
    feed.extend([Text("a")])
    feed.start(2, "m", "worker_lost")
    assert _events(await awaited) == [("1.2.0", {"type": "restart", "attempt": 2, "reason": "worker_lost"})]
    assert _events(viewer.written[0]) == [("1.1.1", {"chunk": "a"})]
    await _close(viewer.reading)
