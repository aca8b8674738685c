"""The rate limit: how often a key may ask for what costs money."""

from time import time

import structlog
from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from core.model.errors import RateLimited
from core.settings import Settings

log = structlog.get_logger()

REDIS_SECONDS = 1.0
"""A Redis that takes longer is away: nobody waits for the right to wait for an answer."""


class RateLimit:
    """A moving window: in no span of its length more than its amount gets through."""

    def __init__(self, settings: Settings) -> None:
        self._limit = parse(settings.rate_limit)
        self._limiter = MovingWindowRateLimiter(_storage(settings.rate_limit_storage))
        self._policy = f'"key";q={self._limit.amount};w={self._limit.get_expiry()}'
        self._counts = True

    async def spend(self, key_name: str) -> dict[str, str]:
        """Count a request. Returns headers that tell where the key stands (draft-ietf-httpapi-ratelimit-headers).

        Raises RateLimited. While the counts cannot be reached, everything is let through: an answer is worth
        more than the budget that they guard.
        """
        try:
            is_free = await self._limiter.hit(self._limit, key_name)
            window = await self._limiter.get_window_stats(self._limit, key_name)
        except StorageError as error:
            self._note(False, error=type(error.storage_error).__name__)
            return {}
        self._note(True)
        seconds = max(1, round(window.reset_time - time()))
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"key";r={max(0, window.remaining)};t={seconds}'}
        if not is_free:
            raise RateLimited(
                f"this API key may ask {self._limit}; see RATE_LIMIT", retry_after=seconds, headers=headers
            )
        return headers

    def _note(self, counts: bool, **details: str) -> None:
        if counts == self._counts:
            return
        self._counts = counts
        if counts:
            log.warning("rate limit counts again", action="rate_limit.back")
        else:
            log.error("rate limit not counted: its storage is away", action="rate_limit.away", **details)


def _storage(url: str) -> Storage:
    if url.startswith("redis"):
        return RedisStorage(
            url,
            implementation="redispy",
            wrap_exceptions=True,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
        )
    return MemoryStorage()
