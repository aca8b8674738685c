"""What was published while no gateway heard it: nobody has it, but Redis counts how much there was.

Each gateway has Redis say in a channel, once a second, how much others have published (a beat). Messages keep their
order: what was published before a beat was heard before it, or missed.
"""

from pathlib import Path
from time import time
from typing import Any, NamedTuple

from redis.asyncio import Redis

from core.telemetry.log_stream.redis_stream import COUNTERS, HEARING

BEATS = "hopstream:{logs}:beats"
"""A channel that begins with no `logs`."""
STALE_SECONDS = 3.0
_SCRIPT = Path(__file__).with_name("beat.lua").read_text(encoding="utf-8")


class Unheard(NamedTuple):
    lines: int | None
    """None: Redis was restarted meanwhile, and nobody knows. Where it serves others, what these publish on channels of
    their own counts as well."""
    seconds: float


class Beat(NamedTuple):
    run: str
    """Of Redis: its counts begin anew with it."""
    published: int
    """By others than our writers."""
    kept: int
    """Of these, so many are in the stream."""
    lines: int
    """So many were put into the stream, in all."""

    @classmethod
    def parse(cls, message: bytes) -> "Beat":
        """Raises ValueError for what somebody else has said there."""
        _, run, published, kept, lines = str(message, "ascii").split()
        return cls(run, int(published), int(kept), int(lines))


class _Gap(NamedTuple):
    """Between the last who heard and this gateway; none, if somebody else heard meanwhile."""

    began: float
    at: float
    """When it was over."""
    unheard: Unheard
    others: dict[str, float]
    """Until when each other gateway has heard."""


class Hearing:
    """`begins` when it has subscribed, `on_beat` for each beat, and `go_on` each second."""

    def __init__(self, redis: Redis, gateway: str) -> None:
        self._redis: Any = redis  # whose types know any shape that an answer might have
        self._beat = redis.register_script(_SCRIPT)
        self._gateway = gateway
        self._last: tuple[Beat, int, float] | None = None
        """The last beat, how many messages were heard before it, and when."""
        self._is_new = True
        """No beat was heard since it has subscribed."""
        self._since = 0.0
        """It has heard without a break from then on."""
        self._gap: _Gap | None = None
        """Until it is known whether somebody else heard."""
        self._unheard: list[Unheard] = []

    def begins(self) -> None:
        self._is_new = True

    async def on_beat(self, beat: Beat, heard: int) -> None:
        """`heard`: so many messages of others before it, by this gateway in all. Raises RedisError."""
        now = time()
        if self._is_new:
            self._is_new, self._since = False, now
            state = await self._state()
            if self._last is not None:
                self._gap = self._since_last(beat, heard, now, state)
            elif state:
                self._gap = self._since_others(beat, heard, now, state)
            else:
                await self._redis.hset(HEARING, "missing", str(beat.published - heard - beat.kept))
        self._last = (beat, heard, now)
        heard_from = f"{now:.3f} {self._since:.3f}"
        state = {"run": beat.run, "published": str(beat.published), self._gateway: heard_from}
        await self._redis.hset(HEARING, mapping=state)

    async def beat(self) -> None:
        """Raises RedisError."""
        await self._beat(keys=[COUNTERS], args=[BEATS, self._gateway])

    async def go_on(self) -> None:
        """To be called each second. Raises RedisError."""
        await self.beat()
        if self._gap is not None:
            await self._judge(self._gap)

    def take_unheard(self) -> list[Unheard]:
        """Since it was last asked."""
        unheard, self._unheard = self._unheard, []
        return unheard

    async def end(self) -> None:
        """Raises RedisError."""
        await self._redis.hdel(HEARING, self._gateway)

    def _since_last(self, beat: Beat, heard: int, now: float, state: dict[str, str]) -> _Gap:
        """This gateway has heard before."""
        last, heard_then, then = self._last or (beat, heard, now)
        missed = (beat.published - heard) - (last.published - heard_then) if beat.run == last.run else None
        return _Gap(then, now, Unheard(missed, now - then), self._others(state))

    def _since_others(self, beat: Beat, heard: int, now: float, state: dict[str, str]) -> _Gap:
        """Others have, and what they heard is in the stream; this gateway has appended nothing yet."""
        times = self._others(state)
        missed = None
        if beat.run == state.get("run"):
            missing = beat.published - heard - beat.kept - int(state.get("missing", "0"))
            missed = min(missing, beat.published - heard - int(state["published"]))
        last = max(times.values(), default=now)
        return _Gap(last, now, Unheard(missed, now - last), times)

    async def _judge(self, gap: _Gap) -> None:
        """Nothing was missed if another gateway went on hearing. One that is dead shows it by its silence."""
        state = await self._state()
        for name, at in gap.others.items():
            until, _, since = state.get(name, "0 0").partition(" ")
            if float(until) > at and float(since) <= gap.began:
                self._gap = None
                return
        latest = max(gap.others.values(), default=0.0)
        if latest > gap.at - STALE_SECONDS and time() < gap.at + STALE_SECONDS:
            return
        self._gap = None
        if gap.unheard.lines is None or gap.unheard.lines > 0:
            await self._redis.hincrby(HEARING, "missing", gap.unheard.lines or 0)
            self._unheard.append(gap.unheard)

    def _others(self, state: dict[str, str]) -> dict[str, float]:
        times = {name: at for name, at in state.items() if name not in ("run", "published", "missing", self._gateway)}
        return {name: float(heard.partition(" ")[0]) for name, heard in times.items()}

    async def _state(self) -> dict[str, str]:
        state = await self._redis.hgetall(HEARING)
        return {str(name, "utf-8"): str(value, "utf-8") for name, value in state.items()}
