"""Batches: what goes at once, and what becomes of a reader that does not keep up."""

from collections.abc import Callable

import pytest

from api.watchers import batches, watcher, writer
from api.watchers.batches import BATCH_BYTES, LAG_SECONDS
from api.watchers.followed import Followed
from api.watchers.watcher import ENDED_AT_ONCE
from api.wires.pieces import FRAME_CHARS
from core.model.errors import SlowReader
from core.model.feed import Feed
from core.store.turns.watched import WatchedTurn
from tests.unit.watchers.turns import FakeLiveTurns, reading, say
from tests.unit.wires.sinks import settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time goes by for the watcher."""
    now = 1000.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    for module in (batches, watcher, writer):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    return wait


@pytest.mark.usefixtures("wait")
async def test_fast_streams_are_told_in_longer_pieces_and_none_is_forgotten(turns: FakeLiveTurns) -> None:
    feeds = [turns.begin(f"s{number}") for number in range(50)]
    async with reading(turns, events_per_second=1000) as reader:  # one at once
        for _ in range(40):
            for feed in feeds:
                say(feed, "ab")
            await settle()
        for feed in feeds:
            turns.end(feed)
        await reader.until(lambda: len(reader.named("llm.stream.end")) == 50)
    assert all(reader.screen(f"s{number}").text == "ab" * 40 for number in range(50))
    assert len(reader.named("llm.stream.chunk")) < 50 * 40 / 2


async def test_a_slow_reader_is_told_what_it_has_missed_and_goes_on_from_the_newest(
    turns: FakeLiveTurns, wait: Callable[[float], None]
) -> None:
    feed = turns.begin("s")
    async with reading(turns) as reader:
        say(feed, "a")
        await reader.said("s", "a")
        reader.sink.stop_reading()
        say(feed, "b")
        await reader.until(lambda: reader.sink.is_full)
        for text in "cde":
            say(feed, text)
            await settle()
        wait(2 * LAG_SECONDS)
        reader.sink.read_on()
        await reader.until(lambda: reader.named("lagged"))
        say(feed, "f")
        turns.end(feed)
        await reader.until(lambda: reader.screen("s").end)
    (lagged,) = reader.named("lagged")
    assert (lagged.data["missed"], lagged.data["requestIds"]) == (3, ["s.1"])
    assert reader.screen("s").text == "abf"


async def test_the_ends_that_a_stalled_reader_cannot_hear_cost_no_answers(
    turns: FakeLiveTurns, wait: Callable[[float], None]
) -> None:
    feed, other = turns.begin("s"), turns.begin("other")
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.named("llm.stream.start")) == 2)
        reader.sink.stop_reading()
        say(other, "x")
        await reader.until(lambda: reader.sink.is_full)
        say(feed, "a")
        wait(2 * LAG_SECONDS)
        turns.end(feed)
        await settle()
        assert turns.held == [other.key]
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("s").end)
        assert reader.screen("s").text == ""
        assert reader.named("lagged")[0].data["requestIds"] == ["s.1"]


async def test_a_stalled_reader_is_told_no_restart_where_the_answer_went_on(
    turns: FakeLiveTurns, wait: Callable[[float], None]
) -> None:
    feed, other = turns.begin("s"), turns.begin("other")
    async with reading(turns) as reader:
        say(feed, "a")
        await reader.said("s", "a")
        reader.sink.stop_reading()
        say(other, "x")
        await reader.until(lambda: reader.sink.is_full)
        wait(2 * LAG_SECONDS)
        feed.start(2, feed.model, "worker_lost", feed.provider, origin=1, parts=feed.tape.pieces())
        say(feed, "b")
        turns.end(feed)
        await settle()
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("s").end)
    assert reader.screen("s").text == "a"
    assert reader.named("llm.stream.restart") == []
    assert reader.named("lagged")[0].data["missed"] == 1


async def test_a_reader_too_far_behind_is_sent_away(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "MOST_WAITING", 3)
    monkeypatch.setattr(watcher, "MOST_FOLLOWED", 2)
    async with reading(turns) as reader:
        for number in range(6):
            turns.begin(f"s{number}")
        with pytest.raises(SlowReader):
            await reader.running


async def test_who_asks_for_more_than_it_reads_is_told_so(turns: FakeLiveTurns) -> None:
    async with reading(turns) as reader:
        reader.sink.stop_reading()
        for _ in range(batches.MOST_WORDS + 1):
            reader.watcher.say([b"pong"])
        with pytest.raises(SlowReader):
            reader.watcher.say([b"pong"])


async def test_a_reader_that_takes_nothing_is_sent_away(turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITE_SECONDS", 0.01)
    feed = turns.begin("s")
    async with reading(turns) as reader:
        reader.sink.stop_reading()
        say(feed, "x")
        with pytest.raises(SlowReader):
            await reader.running
    assert turns.held == []


async def test_one_batch_has_only_so_much(turns: FakeLiveTurns) -> None:
    for number in range(8):
        say(turns.begin(f"s{number}"), "x" * (BATCH_BYTES // 2))
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.named("llm.stream.chunk")) >= 8 * BATCH_BYTES // 2 // FRAME_CHARS)
    assert BATCH_BYTES < reader.sink.largest < 2 * BATCH_BYTES


async def test_few_answers_that_had_ended_are_in_memory_at_once(
    turns: FakeLiveTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, most = 0, 0
    read, leave = turns.read, watcher.Watcher._leave

    async def count(turn: WatchedTurn) -> Feed | None:
        nonlocal in_memory, most
        in_memory += 1
        most = max(most, in_memory)
        return await read(turn)

    def uncount(self: watcher.Watcher, followed: Followed) -> None:
        nonlocal in_memory
        in_memory -= 1
        leave(self, followed)

    monkeypatch.setattr(turns, "read", count)
    monkeypatch.setattr(watcher.Watcher, "_leave", uncount)
    async with reading(turns) as reader:
        held, turns.watchers = turns.watchers, set()
        feeds = [turns.begin(f"s{number}") for number in range(5 * ENDED_AT_ONCE)]
        turns.watchers = held
        for feed in feeds:
            say(feed, "a")
            turns.end(feed)
        await reader.until(lambda: len(reader.named("llm.stream.end")) == len(feeds))
    assert most == ENDED_AT_ONCE
