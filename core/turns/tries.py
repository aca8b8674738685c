"""Tries: how often, and for how long, a model's service that fails before its first token is asked again."""

import asyncio
from typing import cast

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential,
    wait_random,
    wait_random_exponential,
)

from core.model.errors import ProviderError
from core.providers.base import Item, Provider, Request, Stream
from core.settings import Settings

log = structlog.get_logger()

_back_off = wait_random_exponential(0.5, max=10)
_look_again = wait_exponential(0.5, max=3) + wait_random(0, 0.5)
"""For a service that cannot be reached: to find out costs little, and a person waits."""


class Tries:
    """Of one turn. All of them share PROVIDER_RETRY_SECONDS, however often the answer is begun; PROVIDER_RETRIES counts
    for each beginning, and not those that did not reach the service: it may be restarting."""

    def __init__(self, settings: Settings) -> None:
        self._retries = settings.provider_retries
        self._seconds_left = settings.provider_retry_seconds
        self._failures = 0

    async def open(self, provider: Provider, request: Request) -> tuple[Item, Stream]:
        """The first item and the stream of the rest. Raises ProviderError."""
        self._failures = 0
        attempts = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            stop=self._is_enough,
            wait=_wait,
            before_sleep=_tell,
            reraise=True,
        )
        loop = asyncio.get_running_loop()

        async def begin() -> tuple[Item, Stream]:
            stream = provider.stream(request)
            asked_at = loop.time()
            try:
                return await anext(stream), stream
            except ProviderError:
                self._seconds_left -= loop.time() - asked_at
                raise

        return await attempts(begin)

    def _is_enough(self, state: RetryCallState) -> bool:
        error = _error_of(state)
        if not error.is_away:
            self._failures += 1
        self._seconds_left -= state.upcoming_sleep
        return self._failures > self._retries or self._seconds_left < 0


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.transient


def _error_of(state: RetryCallState) -> ProviderError:
    return cast(ProviderError, state.outcome and state.outcome.exception())  # no other is tried again


def _wait(state: RetryCallState) -> float:
    error = _error_of(state)
    if error.retry_after is not None:
        return error.retry_after
    return (_look_again if error.is_away else _back_off)(state)


def _tell(state: RetryCallState) -> None:
    log.warning(
        "the model's service is asked again",
        action="provider.retry",
        reason=_error_of(state).message,
        seconds=round(state.upcoming_sleep, 1),
    )
