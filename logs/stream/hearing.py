"""What was published while no gateway heard it: nobody has it, but Redis counts how much there was."""

from time import time
from typing import Any, NamedTuple

from redis.asyncio import Redis

from core.telemetry.log_stream.redis_stream import COUNTERS, HEARING

STALE_SECONDS = 3.0


class Unheard(NamedTuple):
    lines: int | None
    """None: Redis was restarted meanwhile, and nobody knows. Where it serves others, what these publish on channels of
    their own counts as well."""
    seconds: float


class _Counts(NamedTuple):
    run: str
    """Of Redis: its counts begin anew with it."""
    published: int
    """By others than our writers."""
    kept: int
    """Of these, so many are in the stream."""

    @property
    def missing(self) -> int:
        return self.published - self.kept


class Hearing:
    """Each gateway says that it hears, and how much had been published by then."""

    def __init__(self, redis: Redis, gateway: str) -> None:
        self._redis: Any = redis  # whose types know any shape that an answer might have
        self._gateway = gateway

    async def begin(self) -> Unheard | None:
        """A gateway begins to hear, at its start or after a break. None if nothing was missed. Raises RedisError."""
        now, counts = time(), await self._count()
        state = await self._redis.hgetall(HEARING)
        before = {str(name, "utf-8"): str(value, "utf-8") for name, value in state.items()}
        await self._say(counts, now, told_missing=str(counts.missing))
        run, published, told = (before.pop(name, "0") for name in ("run", "published", "told_missing"))
        heard_until = max(map(float, before.values()), default=0.0)
        before.pop(self._gateway, None)
        if not heard_until or any(now - float(at) < STALE_SECONDS for at in before.values()):
            return None
        if run != counts.run:
            return Unheard(None, now - heard_until)
        missed = min(counts.missing - int(told), counts.published - int(published))
        return Unheard(missed, now - heard_until) if missed > 0 else None

    async def go_on(self) -> None:
        """To be called each second while this gateway hears. Raises RedisError."""
        await self._say(await self._count(), time())

    async def end(self) -> None:
        """Raises RedisError."""
        await self._redis.hdel(HEARING, self._gateway)

    async def _say(self, counts: _Counts, now: float, **more: str) -> None:
        state = {"run": counts.run, "published": str(counts.published), self._gateway: f"{now:.3f}", **more}
        await self._redis.hset(HEARING, mapping=state)

    async def _count(self) -> _Counts:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.info("server")
        pipeline.info("commandstats")
        pipeline.hmget(COUNTERS, "published", "marked")
        server, commands, (published, marked) = await pipeline.execute()
        calls = int(commands.get("cmdstat_publish", {}).get("calls", 0))
        return _Counts(str(server["run_id"]), calls - int(published or 0), int(marked or 0))
