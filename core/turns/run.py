"""A run: takes a turn that this process owns to its end, into a feed.

Queue mode and direct mode share it: in a worker the publisher watches the feed, in the API the response does.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from time import monotonic

import msgspec
import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from core.model.errors import HopstreamError, ProviderDropped, ProviderError, TimeLimit
from core.model.events import Done, End, Failed
from core.model.feed import Feed
from core.model.parts import Part
from core.model.tape import Tape
from core.providers.base import Finish, Item, Provider, Request, Stream
from core.settings import Settings
from core.store.retry import retry_while_down
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.compatibility import ReadableParts
from core.turns.prompt import build_request
from core.turns.subscribers import Moment, TurnSubscribers
from core.turns.ticks import TickScheduler
from core.version import FORMAT

log = structlog.get_logger()

LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A service that asks for more patience than this has failed, as far as a person who waits is concerned."""
_back_off = wait_random_exponential(0.5, max=10)


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

    def __init__(self, turn: Turn, services: RunServices) -> None:
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
        self._readable: ReadableParts | None = None
        """Only while there are older processes."""
        self._stop: Stop | None = None
        self._answering: asyncio.Task[End] | None = None
        self._claimed_at = monotonic()
        self._stages = Stages()

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
        elif await self._commit(end):
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
                return Done(self.attempt, len(self.feed.tape), "cancelled")
            case Stop.TIME_LIMIT:
                return self._failed(TimeLimit("the turn took longer than MAX_TURN_SECONDS"))
            case _:
                return None

    def _failed(self, error: HopstreamError) -> End:
        return Failed(self.attempt, len(self.feed.tape), error.code, error.message)

    async def _attempts(self) -> End:
        request = build_request(self.turn, self._settings)
        self.turn.earlier.clear()  # far more than fits into a prompt, perhaps
        while True:
            try:
                finish = await self._attempt(msgspec.structs.replace(request, attempt=self.attempt))
            except ProviderDropped:
                if self._settings.provider_drop == "error" or not await self._begin_next_attempt():
                    raise
            else:
                return Done(self.attempt, len(self.feed.tape), finish.reason, finish.usage)

    async def _begin_next_attempt(self) -> bool:
        ownership = self._store.ownership
        attempt = await retry_while_down(lambda: ownership.next_attempt(self.turn.key, self.attempt, self._process_id))
        if attempt is None:
            return False
        self._begin_attempt(attempt, "provider_drop")
        return True

    async def _attempt(self, request: Request) -> Finish:
        self._stages.asked_after = monotonic() - self._claimed_at
        first, stream = await open_stream(self._provider, request, self._settings.provider_retries)
        if not isinstance(first, Finish):
            self._stages.first_token_after = monotonic() - self._claimed_at
        try:
            return await self._record(first, stream)
        except _TooLong:
            return Finish("length")
        finally:
            await stream.aclose()

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

    async def _commit(self, end: End) -> bool:
        ownership = self._store.ownership
        stages = self._stages
        return await retry_while_down(
            lambda: ownership.finish(
                self.turn.key,
                self._process_id,
                self.feed.tape,
                end,
                asked_after=stages.asked_after,
                first_token_after=stages.first_token_after,
                part_ends=self.feed.tape.encode_ends(),
            )
        )


async def open_stream(provider: Provider, request: Request, retries: int) -> tuple[Item, Stream]:
    """The first part and the stream of the rest, tried again while the service fails before the first part."""
    attempts = AsyncRetrying(
        retry=retry_if_exception(_is_worth_a_retry),
        stop=stop_after_attempt(retries + 1),
        wait=_wait,
        reraise=True,
    )

    async def begin() -> tuple[Item, Stream]:
        stream = provider.stream(request)
        return await anext(stream), stream

    return await attempts(begin)


def _is_worth_a_retry(error: BaseException) -> bool:
    return (
        isinstance(error, ProviderError) and error.transient and (error.retry_after or 0) <= LONGEST_RETRY_AFTER_SECONDS
    )


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    return asked if asked is not None else _back_off(state)
