"""What holds for every wire, however a turn goes and however its client keeps up. Each wire's tests inherit it.

A turn is a list of steps that hypothesis makes up. They happen to a real feed with a real viewer, while a reader notes
what a client of the wire has on its screen.
"""

import asyncio
import copy
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.streams.cursor import Cursor
from api.wires.base import Frames, Unfinished, Wire
from core.model.errors import Closing, HopstreamError
from core.model.events import Done, End, Failed, Usage
from core.model.feed import Feed
from core.model.parts import (
    Part,
    Reasoning,
    Refusal,
    StepBegun,
    StepEnded,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
    Unknown,
)
from core.model.tape import Tape
from tests.patience import PATIENCE_SECONDS
from tests.unit.wires.sinks import CONTEXT, KeepingSink, Watching, settle


class Reader:
    """A client of the wire: what it has on its screen, and what it makes of the stream's end."""

    def __init__(self) -> None:
        self.text = ""
        self.at: Cursor | None = None
        """Where it would resume."""
        self.ends: list[str] = []
        """How it was told that nothing more comes: `whole`, `failed`, or `closing` where it is to come again."""

    def read(self, frame: bytes) -> None:
        raise NotImplementedError

    def close(self, is_in_order: bool) -> None:
        """The stream is over; in order, or broken off."""


class Step(NamedTuple):
    name: str
    happen: Callable[[Feed, KeepingSink], object]

    def __repr__(self) -> str:
        return self.name


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Reasoning, texts),
    st.builds(Refusal, texts),
    st.builds(ToolCall, id=texts, name=texts, arguments=texts),
    st.builds(ToolCallBegun, id=texts, name=texts),
    st.builds(ToolArguments, texts, st.integers(0, 1)),
    st.builds(ToolResult, call_id=texts, content=texts, is_error=st.booleans()),
    st.builds(StepBegun, st.integers(1, 3)),
    st.builds(StepEnded, st.integers(1, 3)),
    st.builds(lambda text: Unknown(["+later", text]), texts),
    st.just(Unknown(["later"])),
)


def _grow(added: list[Part]) -> Step:
    return Step(f"grow {added}", lambda feed, _: feed.extend(added))


def _start(attempt: int, reason: str | None) -> Step:
    return Step(f"start {attempt}", lambda feed, _: feed.start(attempt, "m", reason))


def _queue(position: int) -> Step:
    return Step(f"queued at {position}", lambda feed, _: feed.set_queue_position(position))


SETTLE = Step("settle", lambda feed, sink: None)
"""The viewer gets to run: without it several changes come to it as one."""
STALL = Step("the client stops reading", lambda feed, sink: sink.stop_reading())
READ_ON = Step("it reads on", lambda feed, sink: sink.read_on())

between = st.lists(st.sampled_from([SETTLE, SETTLE, STALL, READ_ON]), max_size=2)


@st.composite
def turns(draw: st.DrawFn, max_attempts: int = 3) -> list[Step]:
    """All that happens before the end."""
    steps = [step for position in draw(st.lists(st.integers(1, 3), max_size=2)) for step in (_queue(position), SETTLE)]
    for attempt in range(1, draw(st.integers(1, max_attempts)) + 1):
        steps += [_start(attempt, "worker_lost" if attempt > 1 else None), *draw(between)]
        for added in draw(st.lists(st.lists(parts, max_size=3), max_size=4)):
            steps += [_grow(added), *draw(between)]
    return steps


ends = st.sampled_from(
    [
        Done(0, 0, "stop", Usage(3, 5)),
        Done(0, 0, "cancelled"),
        Failed(0, 0, "provider_error", "it failed"),
        Closing("the server restarts"),
        HopstreamError("the stream broke"),
        RuntimeError("a bug"),
    ]
)


class Telling(NamedTuple):
    """How a turn was told to one client."""

    reader: Reader
    places: list[Reader]
    """The client's screen at each cursor that it got."""
    is_in_order: bool
    feed: Feed


def finish(feed: Feed, end: End | Exception) -> None:
    if isinstance(end, Exception):
        feed.fail(end)
    else:
        feed.finish(msgspec.structs.replace(end, attempt=feed.attempt, position=len(feed.tape)))


inherited = settings(suppress_health_check=[HealthCheck.differing_executors])
"""For tests that several classes inherit: hypothesis would keep their examples in one place, but ours keep none."""


class WireConformance:
    """Inherited by each wire's class of tests, which says how a client reads the wire."""

    wire: ClassVar[type[Wire]]
    reader: ClassVar[type[Reader]]

    def make(self) -> Wire:
        return self.wire(CONTEXT)

    @inherited
    @given(turns(), ends)
    def test_a_turn_is_told_to_exactly_one_end(self, steps: list[Step], end: End | Exception) -> None:
        told = self._tell(steps, end)
        match end:
            case Done():
                assert told.is_in_order or _is_restarted(steps)
                expected = ["whole"] if told.is_in_order else []
            case Failed():
                expected = ["failed"] if told.is_in_order else []
            case Closing():
                expected = ["closing"] if told.is_in_order else []
            case _:
                expected = ["failed"] if told.is_in_order else []
        assert told.reader.ends == expected

    def text_of(self, tape: Tape) -> str:
        """What the wire tells as the answer's text."""
        return tape.text()

    @inherited
    @given(turns(), ends)
    def test_what_is_told_is_the_answer_and_nothing_else(self, steps: list[Step], end: End | Exception) -> None:
        told = self._tell(steps, end)
        if told.is_in_order:
            assert told.reader.text == self.text_of(told.feed.tape)
        elif not _is_restarted(steps):
            assert self.text_of(told.feed.tape).startswith(told.reader.text)

    @inherited
    @given(turns(), ends)
    def test_at_every_cursor_a_client_can_go_on(self, steps: list[Step], end: End | Exception) -> None:
        """At another process, which has the feed as it is at its end, or while it grows."""
        told = self._tell(steps, end)
        for screen in told.places:
            for resumed in (self._tell([*steps, SETTLE], end, screen), self._tell([], end, screen, told.feed)):
                if resumed.is_in_order:
                    assert resumed.reader.text == self.text_of(told.feed.tape)

    @inherited
    @given(turns(max_attempts=1), st.lists(parts, min_size=1, max_size=4), st.integers(0, 5))
    def test_growth_is_told_in_the_same_bytes_to_all(self, steps: list[Step], added: list[Part], position: int) -> None:
        """Viewers share them, whatever was told to each before."""
        wires = [self.make() for _ in range(2)]
        asyncio.run(self._follow(steps, Done(0, 0, "stop"), wires[0], self.reader(), Feed(CONTEXT.key)))
        one, other = (wire.grew(added, Cursor(1, 1, position)) for wire in wires)
        assert one == other

    def test_what_it_has_no_words_for_is_passed_over(self) -> None:
        told = self._tell([_start(1, None), SETTLE, _grow([Unknown(["later"])]), SETTLE, _grow([Text("a")])], DONE)
        assert told.reader.text == "a"
        for screen in told.places:
            assert self._tell([], DONE, screen, told.feed).reader.text == "a"

    @inherited
    @given(turns())
    def test_pings_change_nothing(self, steps: list[Step]) -> None:
        told = self._tell(steps, DONE)
        before = vars(told.reader).copy()
        for frame in self.make().ping():
            told.reader.read(frame)
        assert vars(told.reader) == before

    def test_every_frame_says_something(self) -> None:
        wire, at = self.make(), Cursor(1, 1, 0)
        moments = [
            wire.opening(),
            wire.queued(1),
            wire.started(at, "m", "openai"),
            wire.restarted(at, "m", "openai", "worker_lost", has_sent=False),
            wire.grew([Text("a"), Reasoning("b"), ToolCall("c", "d", "{}"), Unknown(["later"])], at),
            wire.ended(at, Done(1, 0, "stop")),
            wire.ping(),
        ]
        for frames in moments:
            assert all(isinstance(frame, bytes) and frame for frame in frames)

    def _tell(
        self, steps: list[Step], end: End | Exception, screen: Reader | None = None, filled: Feed | None = None
    ) -> Telling:
        """To a new client, or to one that resumes with what it has on its screen."""
        reader = copy.deepcopy(screen) if screen is not None else self.reader()
        feed = filled or Feed(CONTEXT.key)
        places, is_in_order = asyncio.run(self._follow(steps, end, self.make(), reader, feed))
        return Telling(reader, places, is_in_order, feed)

    async def _follow(
        self, steps: list[Step], end: End | Exception, wire: Wire, reader: Reader, feed: Feed
    ) -> tuple[list[Reader], bool]:
        places: list[Reader] = []

        class Screen(KeepingSink):
            def _take(self, frames: Frames) -> None:
                for frame in frames:
                    before = reader.at
                    reader.read(frame)
                    if reader.at != before:
                        places.append(copy.deepcopy(reader))

        sink = Screen()
        async with Watching(feed, wire, reader.at, sink) as watching:
            for step in steps:
                step.happen(feed, sink)
                if step is SETTLE:
                    await settle()
            if not feed.is_over:
                finish(feed, end)
            sink.read_on()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await watching.end()
            except Unfinished:
                is_in_order = False
            else:
                is_in_order = True
        reader.close(is_in_order)
        return places, is_in_order


DONE = Done(0, 0, "stop")


def _is_restarted(steps: list[Step]) -> bool:
    return any(step.name == "start 2" for step in steps)
