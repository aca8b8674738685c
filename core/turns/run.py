"""A run: takes a turn that this process owns to its end, into a feed.

Queue mode and direct mode share it: in a worker the publisher watches the feed, in the API the response does.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from core.model.errors import (
    ContextTooLong,
    EmptyAnswer,
    HopstreamError,
    NotStorable,
    ProviderDropped,
    ProviderError,
    TimeLimit,
)
from core.model.events import Done, End, Failed
from core.model.feed import Feed
from core.model.parts import Part, Refusal, Text, ToolCall, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, Item, Provider, Stream, Told
from core.settings import Settings
from core.store.retry import retry_while_down
from core.store.store import Store
from core.store.turns.ownership import MAX_LOST_ATTEMPTS
from core.store.turns.records import Turn
from core.turns.compatibility import ReadableParts
from core.turns.prompt import Prompt
from core.turns.subscribers import Moment, TurnSubscribers
from core.turns.ticks import TickScheduler
from core.turns.tries import Tries
from core.version import FORMAT

log = structlog.get_logger()

_ANSWERS = (Text, Refusal, ToolCall, ToolCallBegun)
"""Parts that make an answer one."""


class Stop(Enum):
    """Why a run is ended from outside."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time_limit"
    HANDED_OVER = "handed_over"
    LOST = "lost"


class Stages(msgspec.Struct):
    """When an attempt came so far, in seconds after its turn was claimed; None where it did not."""

    asked_after: float | None = None
    first_token_after: float | None = None


class _Opened(NamedTuple):
    """A stream whose first item has come."""

    first: Item
    stream: Stream
    stages: Stages


class _TooLong(Exception):
    """The answer has MAX_ANSWER_CHARS."""


class RunServices(msgspec.Struct, frozen=True):
    """What all runs of a process share."""

    store: Store
    provider: Provider
    settings: Settings
    process_id: str
    subscribers: TurnSubscribers
    ticks: TickScheduler
    oldest_format: Callable[[], int] = lambda: FORMAT
    """What all living processes can read; see `core.turns.compatibility`."""


class Run:
    """One claimed turn and the feed it fills. `execute()` it once; `stop()` it at any time."""

    def __init__(self, turn: Turn, services: RunServices, *, may_restart: bool = True) -> None:
        """`may_restart`: whether those who watch can be told that what they saw is void."""
        self.turn = turn
        self.feed = Feed(turn.key)
        self.attempt = turn.attempt
        self._store = services.store
        self._provider = services.provider
        self._settings = services.settings
        self._process_id = services.process_id
        self._subscribers = services.subscribers
        self._ticks = services.ticks
        self._oldest_format = services.oldest_format
        self._restarts = may_restart and services.settings.provider_drop == "restart"
        self._longest = Tape()
        """Of the attempts before this one."""
        self._readable: ReadableParts | None = None
        """Only while there are older processes."""
        self._stop: Stop | None = None
        self._answering: asyncio.Task[End] | None = None
        self._claimed_at = monotonic()
        self._stages = Stages()
        self._told: Callable[[], Told] = Told

    @property
    def stopped(self) -> Stop | None:
        return self._stop

    def stop(self, reason: Stop) -> None:
        """The first reason counts."""
        if self._stop is None:
            self._stop = reason
            if self._answering is not None:
                self._answering.cancel()

    async def execute(self) -> None:
        """Answer, commit, and finish the feed. A run that was lost or handed over leaves the feed without an end."""
        self._begin_attempt(self.attempt, self.turn.restart_reason)
        end = await self._answer()
        if end is None:
            if self._stop is Stop.HANDED_OVER:
                await self._store.ownership.hand_over(self.turn.key, self.attempt, self._process_id)
            self._tell(Moment.GIVEN_UP, reason=self._stop and self._stop.value)
        elif (end := await self._commit_somehow(end)) is not None:
            self.feed.finish(end)
            self._tell(Moment.ENDED, end=end)
        else:
            self._tell(Moment.GIVEN_UP, reason=Stop.LOST.value)

    def _begin_attempt(self, attempt: int, reason: str | None) -> None:
        self.attempt = attempt
        self._stages = Stages()
        oldest = self._oldest_format()
        self._readable = ReadableParts(oldest) if oldest < FORMAT else None
        self.feed.start(attempt, self.turn.model, reason)
        self._tell(Moment.STARTED if attempt == 1 else Moment.RESTARTED, reason=reason)

    def _tell(self, moment: Moment, *, reason: str | None = None, end: End | None = None) -> None:
        self._subscribers.tell(moment, self.turn, attempt=self.attempt, reason=reason, end=end)

    async def _answer(self) -> End | None:
        self._answering = asyncio.create_task(self._attempts(), name=f"answer {self.turn.key}")
        if self._stop is not None:
            self._answering.cancel()
        try:
            await asyncio.wait([self._answering])
        finally:
            self._answering.cancel()  # an abandoned run takes its upstream request with it
        if self._answering.cancelled():
            return self._stopped()
        error = self._answering.exception()
        match error:
            case None:
                return self._answering.result()
            case HopstreamError():
                return self._failed(error)
            case _:
                log.error("the run broke", action="turn.broken", session_id=self.turn.session_id, exc_info=error)
                return self._failed(HopstreamError("the answer broke off because of an error on our side"))

    def _stopped(self) -> End | None:
        match self._stop:
            case Stop.CANCELLED:
                return self._done(Finish("cancelled", self._told()))
            case Stop.TIME_LIMIT:
                return self._failed(TimeLimit("the turn took longer than MAX_TURN_SECONDS"))
            case _:
                return None

    def _done(self, finish: Finish) -> End:
        return Done(self.attempt, len(self.feed.tape), finish.reason, finish.told.usage, finish.told.model)

    def _failed(self, error: HopstreamError) -> End:
        return Failed(self.attempt, len(self.feed.tape), error.code, error.message)

    async def _attempts(self) -> End:
        prompt = Prompt(self.turn, self._settings)
        tries = Tries(self._settings)
        try:
            opened = await self._open(prompt, tries, self.attempt)
            while True:
                try:
                    return await self._attempt(opened)
                except ProviderDropped:
                    if not self._may_restart():
                        raise
                    # What there is stays in view until there is something new.
                    opened = await self._open(prompt, tries, self.attempt + 1)
                    if not await self._begin_next_attempt():
                        await opened.stream.aclose()
                        raise
        except ProviderError:
            await self._bring_back_longest()
            raise

    async def _open(self, prompt: Prompt, tries: Tries, attempt: int) -> _Opened:
        """Raises ProviderError."""
        stages = Stages(asked_after=monotonic() - self._claimed_at)
        while True:
            try:
                first, stream = await tries.open(self._provider, prompt.request(attempt))
                break
            except ContextTooLong as error:
                if not prompt.shorten(error.fits):
                    raise
                log.info("prompt shortened", action="turn.prompt_shortened", exchanges=prompt.exchanges)
        if not isinstance(first, Finish):
            stages.first_token_after = monotonic() - self._claimed_at
        return _Opened(first, stream, stages)

    def _may_restart(self) -> bool:
        lost = self.turn.lost_attempts + self.attempt - self.turn.attempt
        return self._restarts and lost + 1 < MAX_LOST_ATTEMPTS

    async def _begin_next_attempt(self, *, is_last: bool = False) -> bool:
        ownership = self._store.ownership
        attempt = await retry_while_down(
            lambda: ownership.next_attempt(self.turn.key, self.attempt, self._process_id, is_last=is_last)
        )
        if attempt is None:
            return False
        if len(self.feed.tape) > len(self._longest):
            self._longest = self.feed.tape
        self._begin_attempt(attempt, "provider_drop")
        return True

    async def _bring_back_longest(self) -> None:
        """The answer has failed: what was the most of it is worth more than what came last."""
        longest = self._longest
        if len(longest) > len(self.feed.tape) and await self._begin_next_attempt(is_last=True):
            self.feed.extend(longest.pieces())

    async def _attempt(self, opened: _Opened) -> End:
        self._stages = opened.stages
        self._told = opened.stream.told
        try:
            finish = await self._record(opened.first, opened.stream)
        except _TooLong:
            finish = Finish("length", self._told())
        finally:
            await opened.stream.aclose()
        if finish.reason == "stop" and not any(isinstance(part, _ANSWERS) for part in self.feed.tape.slice()):
            raise EmptyAnswer("the model ended its answer without a word; a stop sequence, or its template, may be why")
        return self._done(finish)

    async def _record(self, first: Item, stream: Stream) -> Finish:
        """Raises _TooLong."""
        item = first
        while not isinstance(item, Finish):
            self._append(item)
            await self._ticks.wait(stream, self._append)
            item = await anext(stream)
        if self._readable is not None:
            held_back, self._readable = self._readable.finish(), None
            self._append(held_back)
        return item

    def _append(self, parts: list[Part]) -> None:
        """Raises _TooLong, with all appended that there was room for."""
        self._ticks.count(len(parts))
        if self._readable is not None:
            parts = self._readable.convert(parts)
        room = self._settings.max_answer_chars - len(self.feed.tape)
        if sum(map(len, parts)) > room:
            self.feed.extend(Tape(parts).slice(0, room))
            raise _TooLong
        self.feed.extend(parts)

    async def _commit_somehow(self, end: End) -> End | None:
        """The end that was committed, which is another one where the database refuses what this one tells; None where
        the attempt is no longer this run's."""
        try:
            return end if await self._commit(end) else None
        except NotStorable as error:
            log.error("end not storable", action="turn.not_storable", session_id=self.turn.session_id, exc_info=error)
            failed = self._failed(error)
            return failed if await self._commit(failed) else None

    async def _commit(self, end: End) -> bool:
        return await retry_while_down(
            lambda: self._store.ownership.finish(
                self.turn.key,
                self._process_id,
                self.feed.tape,
                end,
                asked_after=self._stages.asked_after,
                first_token_after=self._stages.first_token_after,
                part_ends=self.feed.tape.encode_ends(),
            )
        )
