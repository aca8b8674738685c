"""A run: takes a turn that this process owns to its end, into a feed.

Queue mode and direct mode share it: in a worker the publisher watches the feed, in the API the response does.
"""

import asyncio
from enum import Enum
from typing import Any

import msgspec
import structlog

from core.model.errors import HopstreamError, NotStorable, TimeLimit
from core.model.events import Done, End, Failed
from core.model.feed import Feed
from core.providers.base import Finish
from core.store.retry import retry_while_down
from core.store.turns.records import Turn
from core.turns.attempts.attempts import Attempts
from core.turns.attempts.steps import Retired
from core.turns.services import RunServices
from core.turns.subscribers import Moment

log = structlog.get_logger()


class Stop(Enum):
    """Why a run is ended from outside."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time_limit"
    HANDED_OVER = "handed_over"
    LOST = "lost"


class Run:
    """One claimed turn and the feed it fills. `execute()` it once; `stop()` it at any time."""

    def __init__(
        self, turn: Turn, services: RunServices, *, may_restart: bool = True, past: Feed | None = None
    ) -> None:
        """`may_restart`: whether those who watch can be told that what they saw is void. `past`: what they have of the
        attempt before, where that is known."""
        self.turn = turn
        self.feed = Feed(turn.key)
        self._services = services
        self.past = past
        self._attempts = Attempts(turn, self.feed, services, may_restart=may_restart, on_begin=self._on_begin)
        self._stop: Stop | None = None
        self._answering: asyncio.Task[End] | None = None

    @property
    def attempt(self) -> int:
        return self._attempts.number

    @property
    def stopped(self) -> Stop | None:
        return self._stop

    def stop(self, reason: Stop) -> None:
        """The first reason counts."""
        if self._stop is None:
            self._stop = reason
            self._attempts.is_wanted = reason in (Stop.HANDED_OVER, Stop.LOST)
            if self._answering is not None:
                self._answering.cancel()

    def retire(self) -> None:
        """The process stops: hand the turn over before its next call of a tool, if it comes to that."""
        self._attempts.retire()

    async def execute(self) -> None:
        """Answer, commit, and finish the feed. A run that was lost or handed over leaves the feed without an end."""
        await self._attempts.begin(self.past)
        end = await self._answer()
        if end is None:
            if self._stop is Stop.HANDED_OVER:
                await self._services.store.ownership.hand_over(self.turn.key, self.attempt, self._services.process_id)
            self._tell(Moment.GIVEN_UP, reason=self._stop and self._stop.value)
        elif (end := await self._commit_somehow(end)) is not None:
            self.feed.finish(end)
            self._tell_end(end)
        else:
            self._tell(Moment.GIVEN_UP, reason=Stop.LOST.value)

    def _on_begin(self, reason: str | None) -> None:
        self._tell(Moment.STARTED if self.attempt == 1 else Moment.RESTARTED, reason=reason)

    def _tell(self, moment: Moment, *, reason: str | None = None) -> None:
        self._services.subscribers.tell(moment, self.turn, attempt=self.attempt, reason=reason)

    def _tell_end(self, end: End) -> None:
        stages = self._attempts.stages
        self._services.subscribers.tell(
            Moment.ENDED,
            self.turn,
            attempt=self.attempt,
            end=end,
            first_token_after=stages.first_token_after,
            ended_after=stages.seconds,
        )

    async def _answer(self) -> End | None:
        self._answering = asyncio.create_task(self._to_its_end(), name=f"answer {self.turn.key}")
        if self._stop is not None:
            self._answering.cancel()
        try:
            await asyncio.wait([self._answering])
        finally:
            self._answering.cancel()  # an abandoned run takes its request to the model with it
        if self._answering.cancelled():
            return self._stopped()
        error = self._answering.exception()
        match error:
            case None:
                return self._answering.result()
            case Retired():
                self._stop = self._stop or Stop.HANDED_OVER
                return self._stopped()
            case HopstreamError():
                return self._failed(error)
            case _:
                log.error("the run broke", action="turn.broken", session_id=self.turn.session_id, exc_info=error)
                return self._failed(HopstreamError("the answer broke off because of an error on our side"))

    async def _to_its_end(self) -> End:
        return self._done(await self._attempts.answer())

    def _stopped(self) -> End | None:
        match self._stop:
            case Stop.CANCELLED:
                return self._done(Finish("cancelled", self._attempts.told_in_all()))
            case Stop.TIME_LIMIT:
                self._attempts.note_try("time_limit")
                return self._failed(TimeLimit("the turn took longer than MAX_TURN_SECONDS"))
            case _:
                return None

    def _done(self, finish: Finish) -> End:
        self._attempts.note_try(finish.reason)
        model, provider = finish.told.model, None
        if self._attempts.route is not None:
            answering = self._attempts.route.model
            model, provider = model or answering.service_model, answering.provider
        length = len(self.feed.tape)
        return Done(self.attempt, length, finish.reason, finish.told.usage, model, provider, finish.raw)

    def _failed(self, error: HopstreamError) -> End:
        return Failed(self.attempt, len(self.feed.tape), error.code, error.message)

    async def _commit_somehow(self, end: End) -> End | None:
        """The end that was committed, which is another one where the database refuses what this one tells; None where
        the attempt is no longer this run's."""
        try:
            return end if await self._commit(end) else None
        except NotStorable as error:
            log.error("end not storable", action="turn.not_storable", session_id=self.turn.session_id, exc_info=error)
            failed = self._failed(error)
            return failed if await self._commit(failed) else None

    def _tries_to_store(self, end: End) -> list[dict[str, Any]] | None:
        record = self._attempts.tries.record
        is_plain = len(record) == 1 and record[0].model == self.turn.model and isinstance(end, Done)
        return msgspec.to_builtins(record) if record and not is_plain else None

    async def _commit(self, end: End) -> bool:
        feed, stages, tries = self.feed, self._attempts.stages, self._attempts.tries
        ownership, process_id = self._services.store.ownership, self._services.process_id
        is_committed = await retry_while_down(
            lambda: ownership.finish(
                self.turn.key,
                process_id,
                feed.tape,
                end,
                asked_after=stages.asked_after,
                first_token_after=stages.first_token_after,
                reasoning_seconds=stages.reasoning_seconds,
                part_ends=feed.tape.encode_ends(),
                origin=feed.origin if feed.origin != feed.attempt else None,
                tries=self._tries_to_store(end),
                cost=tries.cost,
            )
        )
        # A database that was lost while it committed may have done so: the second time there was nothing to finish.
        return is_committed or await retry_while_down(
            lambda: ownership.has_finished(self.turn.key, end.attempt, process_id)
        )
