"""Attempts: what one process makes of a turn's answer, from the first request to the finish. One attempt may need
several requests, its `Tries`.

One that breaks off goes on where it was left, if its model can do that; else the answer begins again, by the next model
that may give it.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from core.model.errors import ContextTooLong, EmptyAnswer, ProviderDropped, ProviderError, UnknownModel
from core.model.feed import Feed
from core.model.parts import Refusal, Text, ToolCall, ToolCallBegun
from core.model.tape import Tape
from core.providers.base import Finish, Kept, Request, Stream, Told
from core.providers.catalogue.catalogue import Route
from core.providers.catalogue.models import Model
from core.store.retry import retry_while_down
from core.store.turns.ownership import MAX_LOST_ATTEMPTS
from core.store.turns.records import Turn
from core.turns.attempts.kept_note import KeptNote
from core.turns.attempts.prompt import Prompt
from core.turns.attempts.recording import Recording, TooLong
from core.turns.attempts.rest import Rest, rest_of
from core.turns.attempts.stages import Stages
from core.turns.attempts.steps import Steps
from core.turns.attempts.takeover import what_is_left
from core.turns.attempts.tries import Opened, Tries, Try, after, starting_with
from core.turns.services import RunServices

log = structlog.get_logger()

DROPPED = "provider_drop"
_ANSWERS = (Text, Refusal, ToolCall, ToolCallBegun)
"""Parts that make an answer one."""


class _Answer(NamedTuple):
    """One that has begun to come."""

    opened: Opened
    stages: Stages
    rest: Rest | None
    """What there is of it already; None: it begins."""


class Attempts:
    """Of one claimed turn: `begin`, and then `answer`, once each."""

    def __init__(
        self,
        turn: Turn,
        feed: Feed,
        services: RunServices,
        *,
        may_restart: bool,
        on_begin: Callable[[str | None], None],
    ) -> None:
        """`may_restart`: whether those who watch can be told that what they saw is void. `on_begin`: told of each
        attempt, once the feed has it, with why it is not the first."""
        self.number = turn.attempt
        self._claimed_at = monotonic()
        self.stages = Stages(self._claimed_at)
        """Of the attempt that runs."""
        self.tries = Tries(services.settings, self._leave)
        self.route: Route | None = None
        """That answers, or is asked to go on."""
        self.told: Callable[[], Told] = Told
        """What its service has told so far."""
        self.is_wanted = True
        """Whether somebody will go on with the answer, should it be left."""
        self._turn = turn
        self._feed = feed
        self._services = services
        self._restarts = may_restart and services.settings.provider_drop == "restart"
        self._on_begin = on_begin
        self._rest: Rest | None = None
        """What is to be gone on with, once the answer begins."""
        self._note = KeptNote(turn, services, lambda: self.number)
        self._steps = Steps(turn, feed, services, lambda: self.number)
        self._is_noted = True
        """What became of the answer that came last is in the record."""
        self._longest = Tape()
        """Of the attempts before this one."""

    async def begin(self, past: Feed | None) -> None:
        """The attempt that was claimed. `past`: what viewers have of the one before it, where that is known."""
        await self._steps.restore()
        self.tries.cost = self._steps.cost
        left = what_is_left(self._turn, past, self._steps, self._route_to)
        if left.route is not None:
            self.tries.add(Try(left.route.model.name, left.route.model.provider, self._turn.restart_reason or DROPPED))
        self._rest = left.rest
        self.route = left.rest.route if left.rest is not None else None
        self._start(self._turn.restart_reason, left.past, left.rest)

    async def answer(self) -> Finish:
        """Raises HopstreamError, Retired."""
        chain = self._services.catalogue.chain(self._turn.model)
        prompt = Prompt(self._turn, self._services.settings, self._steps)
        await self._steps.prepare()
        while True:
            if not self._steps.pending:
                finish = await self._pass(prompt, chain)
                cost = self.route.model.cost(finish.told.usage) if self.route is not None else None
                last = await self._steps.plan(finish, cost)
                if last is not None:
                    return last
                self.note_try(finish.reason)
                self.told, self._longest = Told, Tape()
            await self._steps.make_calls()

    def retire(self) -> None:
        """The process stops; see `Steps.is_retiring`."""
        self._steps.is_retiring = True

    def told_in_all(self) -> Told:
        """By the services of all steps so far."""
        return self._steps.add_up(self.told())

    async def _pass(self, prompt: Prompt, chain: Sequence[Route]) -> Finish:
        """Through the model, once. Raises ProviderError."""
        try:
            answer = await self._first_answer(prompt, chain)
            while True:
                try:
                    return await self._receive(answer)
                except ProviderDropped:
                    another = await self._next_answer(prompt, chain, answer.opened.route)
                    if another is None:
                        raise
                    answer = another
        except ProviderError:
            await self._bring_back_longest()
            raise

    async def _first_answer(self, prompt: Prompt, chain: Sequence[Route]) -> _Answer:
        rest, self._rest = self._rest, None
        if rest is not None:
            answer = await self._go_on(prompt, chain, rest, self.number)
            if answer is not None:
                return answer
            if not await self._begin_another(None):
                raise ProviderDropped("the answer could not be gone on with, and there was no attempt left")
        return await self._open(prompt, starting_with(self.route, chain), self.number, stages=self.stages)

    async def _next_answer(self, prompt: Prompt, chain: Sequence[Route], route: Route) -> _Answer | None:
        """After a drop; None where there may be no other. What there is stays in view until there is something new."""
        number = self.number + 1
        if self._turn.lost_attempts + number - self._turn.attempt >= MAX_LOST_ATTEMPTS:
            return None
        said = self._steps.said(self._feed.tape)
        rest = rest_of(said, route, self.told().kept)
        if rest is not None and rest.length < len(said) and not self._restarts:
            rest = None  # those who watch cannot be told that some of it is void
        answer = await self._go_on(prompt, chain, rest, number) if rest is not None else None
        if answer is None and not self._restarts:
            return None
        if answer is None:
            answer = await self._open(prompt, after(route, chain), number)
        has_begun = False
        try:
            has_begun = await self._begin_another(answer)
        finally:
            if not has_begun:
                await self._leave(answer.opened.stream)
        return answer if has_begun else None

    async def _go_on(self, prompt: Prompt, chain: Sequence[Route], rest: Rest, number: int) -> _Answer | None:
        """None where the rest is not to be had. While there are others to ask, its model is not waited for."""
        try:
            return await self._open(prompt, [rest.route], number, rest, is_patient=len(chain) == 1)
        except ProviderError as error:
            log.warning("the answer begins again", action="turn.not_gone_on", reason=error.message)
            return None

    async def _open(
        self,
        prompt: Prompt,
        chain: Sequence[Route],
        number: int,
        rest: Rest | None = None,
        *,
        stages: Stages | None = None,
        is_patient: bool = True,
    ) -> _Answer:
        """`stages`: of the attempt, if it is not a new one. Raises ProviderError."""
        origin, step = self._origin(number, self._feed, rest), self._steps.number

        def ask(model: Model) -> Request:
            return prompt.request(
                model, number, rest, lambda kept: self._note.note(model, kept, origin, step, at_once=True)
            )

        stages = stages or Stages(self._claimed_at)
        stages.asked()
        while True:
            try:
                opened = await self.tries.open(chain, ask, is_patient=is_patient)
                break
            except ContextTooLong as error:
                if not prompt.shorten(error.fits):
                    raise
                log.info("prompt shortened", action="turn.prompt_shortened", exchanges=prompt.exchanges)
        if not isinstance(opened.first, Finish):
            stages.begun()
        return _Answer(opened, stages, rest)

    async def _begin_another(self, answer: _Answer | None, *, is_last: bool = False) -> bool:
        """The next attempt, in the store and in the feed. `answer`: what there is of it."""
        ownership, key = self._services.store.ownership, self._turn.key
        number = await retry_while_down(
            lambda: ownership.next_attempt(key, self.number, self._services.process_id, is_last=is_last)
        )
        if number is None:
            return False
        self.number = number
        self.route = answer.opened.route if answer is not None else None
        rest = answer.rest if answer is not None else None
        if rest is None and len(self._feed.tape) > len(self._longest):
            self._longest = self._feed.tape
        self._start(DROPPED, self._feed, rest)
        return True

    def _start(self, reason: str | None, past: Feed, rest: Rest | None) -> None:
        """`past`: what viewers have; `rest`: how it is gone on with, if it is."""
        self.stages = Stages(self._claimed_at)
        route = self.route or self._route_to(self._turn.model)
        model, provider = (route.model.name, route.model.provider) if route else (self._turn.model, "")
        self._feed.may_go_on = route is not None and route.model.may_go_on
        said = self._steps.said(past.tape).pieces(end=rest.length if rest is not None else 0)
        origin, parts = self._origin(self.number, past, rest), [*self._steps.stored.pieces(), *said]
        self._feed.start(self.number, model, reason, provider, origin=origin, parts=parts)
        self._on_begin(reason)

    def _origin(self, number: int, past: Feed, rest: Rest | None) -> int:
        """With which attempt the tape of this one began: with that of `past`, if all of that stays."""
        length = len(self._steps.stored) + (rest.length if rest is not None else 0)
        stays = 0 < len(past.tape) <= length and self._steps.agrees_with(past.tape)
        return past.origin if stays else number

    def _route_to(self, name: str) -> Route | None:
        """None for a model that is not known here (any more)."""
        try:
            return self._services.catalogue.route(name)
        except UnknownModel:
            return None

    async def _bring_back_longest(self) -> None:
        """The answer has failed: what was the most of it is worth more than what came last."""
        longest = self._longest
        if len(longest) > len(self._feed.tape) and await self._begin_another(None, is_last=True):
            self._feed.extend(longest.pieces(len(self._steps.stored)))

    async def _receive(self, answer: _Answer) -> Finish:
        """Raises ProviderError."""
        (first, stream, route), self.stages, rest = answer
        self.route, self.told, self._is_noted = route, stream.told, False
        self._feed.may_go_on = route.model.may_go_on
        self._feed.answer_by(route.model.name, route.model.provider)
        recording = Recording(self._feed, self._services, self._steps, self.stages)

        def on_kept(kept: Kept) -> None:
            self._note.note(route.model, kept, self._feed.origin, self._steps.number)

        try:
            finish = await recording.record(first, stream, rest.joint if rest is not None else None, on_kept)
        except TooLong:
            self.is_wanted, finish = False, Finish("length", self.told())
        except ProviderError as error:
            route.circuit.failed(error)
            self.note_try(error.code, error.message)
            raise
        finally:
            await self._leave(stream)
        route.circuit.succeeded()
        if finish.reason == "stop" and not any(isinstance(part, _ANSWERS) for part in self._feed.tape.slice()):
            raise EmptyAnswer("the model ended its answer without a word; a stop sequence, or its template, may be why")
        return finish

    async def _leave(self, stream: Stream) -> None:
        await (stream.aclose() if self.is_wanted else stream.cancel())

    def note_try(self, outcome: str, message: str | None = None) -> None:
        """What became of the request whose answer has begun; told once of each."""
        if self.route is not None and not self._is_noted:
            self._is_noted = True
            model, usage = self.route.model, self.told().usage
            counts = msgspec.structs.asdict(usage) if usage is not None else None
            self.tries.add(Try(model.name, model.provider, outcome, message, counts, model.cost(usage)))
