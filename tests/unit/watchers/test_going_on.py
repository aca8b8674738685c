"""A watcher goes on where a connection before had been, here or elsewhere."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.watchers.framing import SseFraming
from api.watchers.progress import Progress, Resumption
from api.watchers.subscriptions import Subscription
from core.model.feed import Feed
from tests.unit.watchers.turns import NOW, FakeLiveTurns, reading, say
from tests.watching import Event

pytestmark = pytest.mark.anyio


async def test_a_stream_is_told_again_from_its_start_to_who_left_it(turns: FakeLiveTurns) -> None:
    """Not from where a connection before had been."""
    feed = turns.begin("s", goal_id="g")
    goal = Subscription(goal_id="g")
    say(feed, "a")
    async with reading(turns, goal) as reader:
        await reader.said("s", "a")
        last_id = reader.events[-1].id
    assert last_id is not None
    say(feed, "b")
    async with reading(turns, goal, resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.events)
        assert [event.data["chunk"] for event in reader.events] == ["b"]
        reader.watcher.unsubscribe(goal)
        await reader.watcher.subscribe(goal)
        await reader.until(lambda: len(reader.events) == 3)
        assert [event.data.get("chunk") for event in reader.events] == ["b", None, "ab"]


async def test_who_asked_for_a_status_gets_the_rest_of_what_was_in_view(turns: FakeLiveTurns) -> None:
    feed = turns.begin("s")
    say(feed, "a")
    async with reading(turns, Subscription(status="running")) as reader:
        await reader.said("s", "a")
        last_id = reader.events[-1].id
    say(feed, "b")
    turns.end(feed)
    assert last_id is not None
    async with reading(turns, Subscription(status="running"), resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.screen("s").end)
        assert reader.screen("s").text == "b"


async def test_an_end_that_was_not_told_yet_is_told_to_who_comes_back_much_later(turns: FakeLiveTurns) -> None:
    one, two = turns.begin("one"), turns.begin("two")
    async with reading(turns) as reader:
        await reader.until(lambda: len(reader.events) == 2)
        reader.sink.stop_reading()
        say(one, "a")
        await reader.until(lambda: reader.sink.is_full)
        say(one, "b")
        turns.end(two)
        turns.pass_time(60)
        reader.sink.read_on()
        await reader.until(lambda: reader.screen("two").end)
        (last_id,) = [event.id for event in reader.events if event.data.get("chunk") == "b"]
    assert last_id is not None
    async with reading(turns, resumption=Resumption.parse(last_id)) as reader:
        await reader.until(lambda: reader.screen("two").end)


async def test_what_was_left_is_not_carried_on(turns: FakeLiveTurns) -> None:
    left, kept = turns.begin("left", goal_id="g"), turns.begin("kept", goal_id="h")
    async with reading(turns, Subscription(goal_id="g")) as reader:
        await reader.watcher.subscribe(Subscription(goal_id="h"))
        await reader.until(lambda: len(reader.events) == 2)
        reader.watcher.unsubscribe(Subscription(goal_id="g"))
        say(kept, "a")
        await reader.said("kept", "a")
        last_id = reader.events[-1].id
    assert last_id is not None
    resumption = Resumption.parse(last_id)
    assert resumption.names(turns.turns[kept.key])
    assert not resumption.names(turns.turns[left.key])


class Client:
    """What somebody has on the screen over many connections, each of which broke somewhere."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.ends: list[str] = []
        self.last_id: str | None = None

    @property
    def resumption(self) -> Resumption | None:
        return Resumption.parse(self.last_id) if self.last_id else None

    def read(self, events: list[Event]) -> None:
        for event in events:
            self.last_id = event.id or self.last_id
            request_id = event.data["requestId"]
            if event.name == "llm.stream.start":
                assert self.texts.get(request_id, "") == "", f"{request_id} began twice"
            self.texts.setdefault(request_id, "")
            if event.name == "llm.stream.restart":
                self.texts[request_id] = ""
            self.texts[request_id] += event.data.get("chunk", "")
            if event.name == "llm.stream.end":
                self.ends.append(request_id)


NAMES = "abcdef"
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["say", "say", "end", "restart"]), st.sampled_from(NAMES)),
        st.tuples(st.sampled_from(["tell", "time", "stall", "cut"]), st.floats(0, 1)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_nothing_is_lost_or_doubled_wherever_connections_break(happened: list[tuple[str, Any]]) -> None:
    """A connection may break behind any event that was told, and the next one goes on from there."""
    asyncio.run(_live(happened))


async def _live(happened: list[tuple[str, Any]]) -> None:
    turns, client, feeds = FakeLiveTurns(), Client(), dict[str, Feed]()
    entered = AsyncExitStack()
    reader = await entered.enter_async_context(reading(turns))
    client.last_id = SseFraming().event("", b"", Progress(Resumption(NOW, {}, ())).id).decode().split()[2]
    for what, argument in [*happened, ("cut", 1.0), *(("end", name) for name in NAMES)]:
        match what:
            case "say" | "restart" | "end":
                feed = feeds.get(argument) or turns.begin(argument)
                feeds[argument] = feed
                if feed.end is None:
                    if what == "restart":
                        feed.start(feed.attempt + 1, "m", "worker_lost")
                    say(feed, f"t{len(feed.tape)} ")
                    if what == "end":
                        turns.end(feed)
            case "tell":
                await asyncio.sleep(0.003)
            case "time":
                turns.pass_time(argument * 20)
            case "stall":
                reader.sink.stop_reading()
            case "cut":
                reader.sink.read_on()
                await asyncio.sleep(0.003)
                client.read(reader.events[: round(argument * len(reader.events))])
                await entered.aclose()
                reader = await entered.enter_async_context(reading(turns, resumption=client.resumption))
    seen = len(client.ends)
    await reader.until(lambda: len(reader.named("llm.stream.end")) == len(NAMES) - seen)
    client.read(reader.events)
    await entered.aclose()
    assert sorted(client.ends) == [f"{name}.1" for name in NAMES]
    assert client.texts == {f"{name}.1": feed.tape.text() for name, feed in feeds.items()}
