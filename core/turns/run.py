"""Generation: runs a turn that this process owns to its end, into a feed.

Queue mode and direct mode share it: in a worker the publisher watches the feed, in the API the response does.
"""

import asyncio
from enum import Enum

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
from core.model.tape import Part, Tape
from core.providers.base import Finish, Item, Message, Provider, Request, Stream
from core.settings import Settings
from core.store.records import Turn
from core.store.retry import retry_while_down
from core.store.store import Store
from core.turns.prompt import answered, build_messages
from core.turns.ticks import TickScheduler

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


class _TooLong(Exception):
    """The answer has MAX_ANSWER_CHARS."""


class Run:
    """One claimed turn. `execute()` it once; `stop()` it at any time."""

    def __init__(
        self,
        turn: Turn,
        feed: Feed,
        *,
        store: Store,
        provider: Provider,
        settings: Settings,
        ticks: TickScheduler,
        process_id: str,
    ) -> None:
        self.turn = turn
        self.feed = feed
        self.attempt = turn.attempt
        self._store = store
        self._provider = provider
        self._settings = settings
        self._ticks = ticks
        self._process_id = process_id
        self._stop: Stop | None = None
        self._answering: asyncio.Task[End] | None = None
        self._log = log.bind(session_id=turn.session_id, turn=turn.turn)

    @property
    def stopped(self) -> Stop | None:
        return self._stop

    def stop(self, reason: Stop) -> None:
        """The first reason counts."""
        if self._stop is None:
            self._stop = reason
            if self._answering is not None:
                self._answering.cancel()

    async def execute(self, reason: str | None = None) -> None:
        """Answer, commit, and finish the feed. `reason` says why this is not the turn's first attempt.

        A run that was lost or handed over leaves the feed without an end.
        """
        self.feed.start(self.attempt, self.turn.model, reason)
        self._log.info("turn started", action="turn.start", attempt=self.attempt, reason=reason)
        end = await self._answer()
        if self._stop is Stop.HANDED_OVER and end is None:
            await self._store.ownership.hand_over(self.turn.key, self.attempt, self._process_id)
        if end is None:
            self._log.warning("turn given away", action="turn.leave", attempt=self.attempt, reason=str(self._stop))
            return
        if await self._commit(end):
            self.feed.finish(end)
            self._log.info("turn ended", action="turn.end", attempt=self.attempt, **_summary(end))
        else:
            self._log.warning("attempt lost", action="turn.lost", attempt=self.attempt)

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
                self._log.error("generation broke", action="turn.broken", exc_info=error)
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
        messages = self._build_messages()
        while True:
            try:
                finish = await self._attempt(messages)
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
        self._log.warning("provider broke off", action="turn.restart", attempt=attempt, reason="provider_drop")
        self.attempt = attempt
        self.feed.start(attempt, self.turn.model, "provider_drop")
        return True

    def _build_messages(self) -> list[Message]:
        settings = self._settings
        messages = build_messages(
            self.turn.message,
            answered(self.turn.earlier),
            system_prompt=settings.system_prompt,
            max_history_chars=settings.max_history_chars,
        )
        self.turn.earlier.clear()  # far more than fits into a prompt, perhaps
        return messages

    async def _attempt(self, messages: list[Message]) -> Finish:
        request = Request(self.turn.model, messages, self.turn.options, self.attempt)
        first, stream = await open_stream(self._provider, request, self._settings.provider_retries)
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
        return item

    def _append(self, parts: list[Part]) -> None:
        """Raises _TooLong, with all appended that there was room for."""
        self._ticks.count(len(parts))
        room = self._settings.max_answer_chars - len(self.feed.tape)
        if sum(map(len, parts)) > room:
            self.feed.extend(Tape(parts).slice(0, room))
            raise _TooLong
        self.feed.extend(parts)

    async def _commit(self, end: End) -> bool:
        ownership = self._store.ownership
        return await retry_while_down(lambda: ownership.finish(self.turn.key, self._process_id, self.feed.tape, end))


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


def _summary(end: End) -> dict[str, object]:
    match end:
        case Done():
            return {"finish_reason": end.finish_reason, "length": end.position}
        case Failed():
            return {"error": end.code, "length": end.position}
