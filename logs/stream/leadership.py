"""One of all gateways leads: it keeps what others publish, the archive and the alerts."""

import asyncio
import secrets
from collections.abc import Sequence
from time import monotonic

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.telemetry.log_stream.appender import Appender, Line
from core.telemetry.log_stream.redis_stream import LEADER

log = structlog.get_logger()

LEASE_SECONDS = 3.0
RENEW_SECONDS = 0.5

_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_LEAVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class Leadership:
    """A lease in Redis. Whoever appends as the leader has Redis look at the token: one that was frozen does no harm."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._renew = redis.register_script(_RENEW)
        self._leave = redis.register_script(_LEAVE)
        self._until = 0.0
        self.token = secrets.token_hex(8)

    @property
    def leads(self) -> bool:
        return monotonic() < self._until

    async def renew(self) -> None:
        """To be called again and again. Raises RedisError."""
        asked = monotonic()
        led = self.leads
        if await self._renew(keys=[LEADER], args=[self.token, int(LEASE_SECONDS * 1000)]):
            self._until = asked + LEASE_SECONDS
            if not led:
                log.info("this gateway leads", action="gateway.leads")
        else:
            self._until = 0.0

    async def leave(self) -> None:
        """So that another one leads at once."""
        self._until = 0.0
        try:
            await self._leave(keys=[LEADER], args=[self.token])
        except RedisError:
            return


class LeaderAppender:
    """Appends what a leader has to say, in one term of its."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._one_at_a_time = asyncio.Lock()

    async def append(self, lines: Sequence[Line]) -> None:
        """Returns once Redis has them, however long that takes. Raises NotLeader."""
        async with self._one_at_a_time:
            while True:
                try:
                    await asyncio.to_thread(self._appender.append, lines)
                except RedisError as error:
                    log.warning("cannot append", action="gateway.cannot_append", error=str(error))
                    await asyncio.sleep(RENEW_SECONDS)
                else:
                    return

    def close(self) -> None:
        self._appender.close()
