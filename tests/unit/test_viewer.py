"""Viewers: what several of them share, what is written at once, and what waits for a slow client."""

import asyncio

import pytest

from api.streams import viewer
from api.streams.cursor import Cursor
from api.wires.base import Frames, Unfinished, Wire
from api.wires.seed import SeedWire
from api.wires.text import TextWire
from core.model.errors import Closing
from core.model.events import Done, Failed
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Part, Reasoning, Text
from tests.patience import PATIENCE_SECONDS
from tests.unit.wires.sinks import CONTEXT, Watching, settle
from tests.unit.wires.test_seed_wire import events_of

pytestmark = pytest.mark.anyio


class ShoutingWire(Wire):
    """A second wire whose media type is that of the seed wire."""

    name = "shouting"
    media_type = SeedWire.media_type

    def grew(self, parts: list[Part], start: Cursor) -> Frames:
        return [b"data: %b!\n\n" % part.text.upper().encode() for part in parts if isinstance(part, Text)]


@pytest.fixture
def feed() -> Feed:
    """A turn that has just started."""
    feed = Feed(TurnKey("s", 1))
    feed.start(1, "m")
    return feed


async def test_two_event_stream_wires_tell_one_turn_at_the_same_time_each_in_its_own_words(feed: Feed) -> None:
    async with Watching(feed, SeedWire(CONTEXT)) as seed, Watching(feed, ShoutingWire(CONTEXT)) as shouting:
        for text in ("ab", "c"):
            feed.extend([Text(text)])
            await settle()
        feed.finish(Done(1, 3, "stop"))
        await seed.end()
        await shouting.end()
    assert [data.get("chunk") for _, data in events_of(seed.body)] == [None, "ab", "c", None]
    assert shouting.body == b"data: AB!\n\ndata: C!\n\n"


async def test_the_end_is_behind_what_was_told_though_less_of_it_is_stored(feed: Feed) -> None:
    feed.extend([Text("abc")])
    view = viewer.View(feed, None, SeedWire(CONTEXT))
    view.new_frames()
    feed.finish(Failed(1, 0, "process_lost", "gone"))
    ((event_id, _),) = events_of(b"".join(view.new_frames()))
    assert event_id == "1.1.999999999"  # which will be known as the end, whatever was seen before it


async def test_the_model_that_answers_instead_is_named_before_it_speaks(feed: Feed) -> None:
    async with Watching(feed, SeedWire(CONTEXT)) as watching:
        watching.sink.has_begun = True
        await settle()
        feed.answer_by("fallback", "other")
        feed.extend([Text("ab")])
        feed.extend([Text("c")])
        feed.finish(Done(1, 3, "stop"))
        await watching.end()
    told = [data.get("model") or data.get("chunk") or data["type"] for _, data in events_of(watching.body)]
    assert told == ["m", "fallback", "abc", "done"]


async def test_one_that_goes_on_with_an_answer_begins_none(feed: Feed) -> None:
    """A fallback in a later step of an agent: what was told before is no less valid."""
    feed.extend([Text("first step. ")])
    view = viewer.View(feed, None, SeedWire(CONTEXT))
    view.new_frames()
    feed.answer_by("fallback", "other")
    feed.extend([Text("second")])
    assert [data for _, data in events_of(b"".join(view.new_frames()))] == [{"chunk": "second"}]


async def test_what_all_viewers_of_a_wire_need_is_framed_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    framed = []

    def grew(self: SeedWire, parts: list[Part], start: Cursor) -> Frames:
        framed.append(start.position)
        return [f"{start.position}: {parts}".encode()]

    monkeypatch.setattr(SeedWire, "grew", grew)
    async with (
        Watching(feed, SeedWire(CONTEXT)) as one,
        Watching(feed, SeedWire(CONTEXT)) as two,
        Watching(feed, SeedWire(CONTEXT)) as three,
    ):
        for watching in (one, two, three):
            watching.news()
        for text in ("ab", "c"):
            feed.extend([Text(text)])
            await settle()
            assert len({watching.news() for watching in (one, two, three)}) == 1
    assert framed == [0, 2]


async def test_silence_is_filled_with_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "PING_SECONDS", 0.01)
    async with Watching(Feed(TurnKey("s", 1)), SeedWire(CONTEXT)) as watching:
        watching.news()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(watching.sink.frames) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert set(watching.sink.frames) == {b": ping\n\n"}


async def test_a_viewer_that_leaves_watches_no_more() -> None:
    feed = Feed(TurnKey("s", 1))
    async with Watching(feed, SeedWire(CONTEXT)):
        assert feed._followers
    assert not feed._followers


async def test_what_is_added_is_written_at_once(feed: Feed) -> None:
    async with Watching(feed, TextWire(CONTEXT)) as watching:
        watching.sink.has_begun = True
        for text in ("a", "b"):
            feed.extend([Text(text)])
        assert watching.sink.written == [b"a", b"b"]
        feed.extend([Reasoning("nothing to show")])
        feed.finish(Done(1, 17, "stop"))
        await watching.end()
        assert watching.body == b"ab"


async def test_nothing_is_written_before_the_client_was_answered(feed: Feed) -> None:
    async with Watching(feed, TextWire(CONTEXT)) as watching:
        feed.extend([Text("a")])
        assert watching.body == b""
        await settle()
        assert watching.body == b"a"


async def test_a_client_that_does_not_keep_up_gets_all_that_came_meanwhile_as_one(feed: Feed) -> None:
    async with Watching(feed, TextWire(CONTEXT)) as watching:
        watching.sink.has_begun = True
        watching.sink.stop_reading()
        feed.extend([Text("a")])
        await settle()
        for text in ("b", "c"):
            feed.extend([Text(text)])
            await settle()
        watching.sink.read_on()
        await settle()
        assert watching.sink.frames == [b"a", b"bc"]
        assert watching.sink.written == []


async def test_nothing_overtakes_what_is_being_sent(feed: Feed) -> None:
    async with Watching(feed, TextWire(CONTEXT)) as watching:
        watching.sink.has_begun = True
        watching.sink.stop_reading()
        feed.extend([Text("a")])
        await settle()
        watching.sink.read_on()
        feed.extend([Text("b")])  # the client is ready again, but `a` is still on its way
        await settle()
        assert watching.sink.frames == [b"a", b"b"]


async def test_a_restart_is_not_overtaken_by_growth(feed: Feed) -> None:
    async with Watching(feed, SeedWire(CONTEXT)) as watching:
        watching.news()
        feed.extend([Text("a")])
        feed.start(2, "m", "worker_lost")
        feed.extend([Text("b")])
        await settle()
        assert [data for _, data in events_of(watching.body)] == [
            {"chunk": "a"},
            {"type": "restart", "attempt": 2, "reason": "worker_lost", "model": "m"},
            {"chunk": "b"},
        ]


async def test_a_wire_may_say_something_before_it_breaks_off(feed: Feed) -> None:
    class Regretting(TextWire):
        name = "regretting"

        def broken(self, error: Exception) -> Frames:
            raise Unfinished("it broke", [b"sorry"]) from error

    async with Watching(feed, Regretting(CONTEXT)) as watching:
        feed.fail(Closing("restarting"))
        with pytest.raises(Unfinished):
            await watching.end()
        assert watching.body == b"sorry"


async def test_a_wire_that_fails_costs_its_own_viewer_alone(feed: Feed) -> None:
    class Failing(TextWire):
        name = "failing"

        def grew(self, parts: list[Part], start: Cursor) -> Frames:
            raise ZeroDivisionError

    async with Watching(feed, Failing(CONTEXT)) as failing, Watching(feed, SeedWire(CONTEXT)) as watching:
        failing.sink.has_begun = True
        watching.news()
        feed.extend([Text("a")])
        with pytest.raises(ZeroDivisionError):
            await failing.end()
        assert events_of(watching.body) == [("1.1.1", {"chunk": "a"})]
