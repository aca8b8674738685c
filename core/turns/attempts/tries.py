"""Tries: who is asked, how often and for how long, until an answer begins."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from random import uniform
from typing import NamedTuple, cast

import msgspec
import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential,
    wait_random,
    wait_random_exponential,
)

from core.model.errors import ContextTooLong, EmptyAnswer, ProviderError
from core.providers.base import Finish, Item, Request, Stream
from core.providers.catalogue.catalogue import Route
from core.providers.catalogue.circuit import CircuitState
from core.providers.catalogue.models import Model
from core.settings import Settings

log = structlog.get_logger()

_back_off = wait_random_exponential(0.5, max=10)
_look_again = wait_exponential(0.5, max=3) + wait_random(0, 0.5)
"""For a service that cannot be reached: to find out costs little, and a person waits."""
_moment = partial(uniform, 0.3, 0.7)
SHORT_RETRY_AFTER = 5.0
"""A service that asks for no more than so long is waited for, though there are others to ask."""
MAX_RECORDED = 20
"""Tries of a turn: the newest are recorded."""


class Opened(NamedTuple):
    """A stream whose first item has come."""

    first: Item
    stream: Stream
    route: Route


class Try(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request to a model's service, for the turn's record."""

    model: str
    provider: str
    outcome: str
    """How the answer finished, or the code of the error by which it did not."""
    message: str | None = None
    usage: dict[str, int | None] | None = None
    """By the names of `Usage`."""
    cost: float | None = None
    """US dollars."""


class Tries:
    """Of one turn. All of them share PROVIDER_RETRY_SECONDS, however often the answer is begun; PROVIDER_RETRIES counts
    the rounds through all that may answer, for each beginning, and not those in which nobody could be reached: they may
    be restarting."""

    def __init__(self, settings: Settings, leave: Callable[[Stream], Awaitable[None]]) -> None:
        """`leave`: closes a stream from which nothing more is read."""
        self._leave = leave
        self._retries = settings.provider_retries
        self._seconds_left = settings.provider_retry_seconds
        self._failures = 0
        self._is_patient = True
        self._has_answered = False
        """Whether somebody has begun to answer: what another one refuses is then no fault of the request."""
        self.record: list[Try] = []
        """The newest."""
        self.cost: float | None = None
        """US dollars of all, as far as it is known."""

    async def open(self, chain: Sequence[Route], ask: Callable[[Model], Request], *, is_patient: bool = True) -> Opened:
        """`is_patient`: whether those that fail are asked again. Raises ProviderError: that of the first one."""
        self._failures, self._is_patient = 0, is_patient
        rounds = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            stop=self._is_enough,
            wait=_wait,
            before_sleep=_tell,
            reraise=True,
        )
        try:
            opened: Opened = await rounds(self._round, chain, ask)
        except _NobodyAnswers as failed:
            raise failed.errors[0] from failed
        self._has_answered = True
        return opened

    def add(self, done: Try) -> None:
        self.record.append(done)
        del self.record[:-MAX_RECORDED]
        if done.cost is not None:
            self.cost = (self.cost or 0.0) + done.cost

    async def _round(self, chain: Sequence[Route], ask: Callable[[Model], Request]) -> Opened:
        """One after the other, without those that are known to be dead; all of them where that is everybody. Raises
        _NobodyAnswers; ProviderError where another one would refuse the request as well."""
        errors: dict[int, ProviderError] = {}
        """By the place in the chain."""
        too_long: Model | None = None
        for routes in (_admitted(chain), enumerate(chain)):
            for place, route in routes:
                if place in errors or (too_long is not None and not _reads_more(route.model, too_long)):
                    continue
                has_others = route is not chain[-1] or not self._is_patient
                try:
                    return await self._begin(route, ask, has_others=has_others)
                except ProviderError as error:
                    errors[place] = error
                    if isinstance(error, ContextTooLong):
                        too_long = route.model
                    elif error.is_of_request and place == 0 and not self._has_answered:
                        raise
            if any(error.transient for error in errors.values()):
                break
        raise _NobodyAnswers([errors[place] for place in sorted(errors)])

    async def _begin(self, route: Route, ask: Callable[[Model], Request], *, has_others: bool) -> Opened:
        """Once more where that is worth a moment, though there are others."""
        request = ask(route.model)
        try:
            return await self._try(route, request, has_others=has_others)
        except ProviderError as error:
            pause = _short_pause(error)
            is_dead = route.circuit.state is CircuitState.OPEN and error.retry_after is None
            if not has_others or pause is None or is_dead:
                raise
            self._seconds_left -= pause
            await asyncio.sleep(pause)
            return await self._try(route, request, has_others=has_others)

    async def _try(self, route: Route, request: Request, *, has_others: bool) -> Opened:
        stream = route.provider.stream(request)
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            first = await self._first_item(stream, route.model.first_token_limit if has_others else None)
            is_new = not request.goes_on and request.kept is None
            if has_others and is_new and isinstance(first, Finish) and first.reason == "stop":
                raise EmptyAnswer("the model ended its answer without a word")
        except ProviderError as error:
            self._seconds_left -= loop.time() - asked_at
            if request.kept is None:
                await stream.cancel()
            if request.kept is None or error.transient:  # one that is gone says nothing of its service
                route.circuit.failed(error)
            self.add(Try(route.model.name, route.model.provider, error.code, error.message))
            if has_others:
                log.warning(
                    "another one may be asked",
                    action="provider.failed",
                    model=route.model.name,
                    provider=route.model.provider,
                    reason=error.message,
                )
            raise
        route.circuit.answers()
        return Opened(first, stream, route)

    async def _first_item(self, stream: Stream, limit: float | None) -> Item:
        """`limit`: seconds. Raises ProviderError."""
        try:
            async with asyncio.timeout(limit):
                return await anext(stream)
        except TimeoutError as error:
            await stream.cancel()
            message = f"the model did not begin its answer within {limit:g} s"
            raise ProviderError(message, transient=True, is_silent=True) from error
        except asyncio.CancelledError:
            await self._leave(stream)
            raise

    def _is_enough(self, state: RetryCallState) -> bool:
        failed = _failed(state)
        if not self._is_patient:
            return True
        if not failed.is_away:
            self._failures += 1
        self._seconds_left -= state.upcoming_sleep
        return self._failures > self._retries or self._seconds_left < 0


class _NobodyAnswers(Exception):
    def __init__(self, errors: list[ProviderError]) -> None:
        """In the order of the chain; at least one."""
        super().__init__(errors[0].message)
        self.errors = errors
        passing = [error for error in errors if error.transient]
        self.is_transient = bool(passing)
        self.is_away = all(error.is_away for error in passing)
        waits = [error.retry_after for error in passing if error.retry_after is not None]
        self.retry_after = min(waits) if waits and len(waits) == len(passing) else None


def after(route: Route, chain: Sequence[Route]) -> list[Route]:
    """Those that come after it in the chain, and then the others again, itself the last."""
    at = chain.index(route) + 1 if route in chain else 0
    return [*chain[at:], *chain[:at]]


def starting_with(route: Route | None, chain: Sequence[Route]) -> Sequence[Route]:
    """Itself the first, if there is one, and the others in their order."""
    return chain if route is None else [route, *(other for other in chain if other != route)]


def _admitted(chain: Sequence[Route]) -> Iterable[tuple[int, Route]]:
    """With their places. Asked for as the others have failed: to be admitted is to be the one that finds out."""
    return ((place, route) for place, route in enumerate(chain) if len(chain) == 1 or route.circuit.admits())


def _reads_more(model: Model, other: Model) -> bool:
    return model.context is not None and model.context > (other.context or 0)


def _short_pause(error: ProviderError) -> float | None:
    """Seconds; None where the same service should not be asked once more while there are others."""
    if not error.transient or error.is_silent:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= SHORT_RETRY_AFTER else None
    return _moment()


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, _NobodyAnswers) and error.is_transient


def _failed(state: RetryCallState) -> _NobodyAnswers:
    return cast(_NobodyAnswers, state.outcome and state.outcome.exception())  # after no other is there a round


def _wait(state: RetryCallState) -> float:
    failed = _failed(state)
    if failed.retry_after is not None:
        return failed.retry_after
    return (_look_again if failed.is_away else _back_off)(state)


def _tell(state: RetryCallState) -> None:
    log.warning(
        "the model's service is asked again",
        action="provider.retry",
        reason=str(_failed(state)),
        seconds=round(state.upcoming_sleep, 1),
    )
