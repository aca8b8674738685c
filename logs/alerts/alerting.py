"""Looks at every line for the rules: the leader's duty. What fires stands in Redis, for all gateways and later ones."""

import asyncio
from time import time
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.telemetry.log_stream.record import timestamp
from core.telemetry.log_stream.redis_stream import ALERTS
from logs.alerts.alert import Alert, alert_of
from logs.alerts.notifier import Notifier
from logs.alerts.rules import Rules
from logs.alerts.watch import Watch
from logs.live.source import LineSource
from logs.stream.leadership import LeaderAppender
from logs.stream.line import LineId
from logs.stream.notices import notice

log = structlog.get_logger()

BATCH_LINES = 1000
LOOK_SECONDS = 0.25
RETRY_SECONDS = 1.0

_decoder = msgspec.json.Decoder(Alert)


class Alerting:
    def __init__(self, redis: Redis, source: LineSource, rules: Rules) -> None:
        """Raises SystemExit."""
        self._redis: Any = redis  # whose types know any shape that an answer might have
        self._source = source
        self._rules = rules
        self._notifier = Notifier(rules)

    async def lead(self, appender: LeaderAppender) -> None:
        while True:
            try:
                await self._watch(appender)
            except RedisError as error:
                log.warning("alerts wait for Redis", action="alerts.put_off", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def firing(self) -> list[dict[str, str]]:
        """For those who watch. Raises RedisError."""
        alerts = sorted((await self._stored()).values(), key=lambda alert: alert.since)
        return [
            {"name": each.name, "since": timestamp(each.since), "service": each.service, "text": each.text}
            for each in alerts
            if each.until is None
        ]

    async def _watch(self, appender: LeaderAppender) -> None:
        now = time()
        longest = max(rule.seconds for rule in self._rules.alert)
        place = LineId(int((now - longest) * 1000), 0)
        stored = await self._stored()
        watches = [Watch(rule, now, fires=_fires(stored.get(rule.name))) for rule in self._rules.alert]
        for name in stored.keys() - {rule.name for rule in self._rules.alert}:
            await self._redis.hdel(ALERTS, name)
        while True:
            lines = (await self._source.after(place, BATCH_LINES, archived=True)).lines
            for watch in watches:
                watch.look(lines)
            if lines:
                place = lines[-1].id
            if not lines or self._source.is_last(place):  # up to date: rules are asked about the present alone
                await self._tell_changes(watches, stored, appender)
                await asyncio.sleep(LOOK_SECONDS)

    async def _tell_changes(self, watches: list[Watch], stored: dict[str, Alert], appender: LeaderAppender) -> None:
        now = time()
        for watch in watches:
            alert, is_met = stored.get(watch.rule.name), watch.is_met(now)
            if is_met and alert is None:
                alert = stored[watch.rule.name] = alert_of(watch.rule, watch.says(), now)
                await self._store(alert)
                await appender.append([notice(f"alert: {alert.name}: {alert.text}", "warning", alert=alert.name)])
            elif not is_met and alert is not None and alert.until is None:
                alert.until = now
                await self._store(alert)
                await appender.append([notice(f"over: {alert.name}: {alert.text}", "info", alert=alert.name)])
        await self._notify(stored)

    async def _notify(self, stored: dict[str, Alert]) -> None:
        """Of what is not told yet, by this leader or one before."""
        news = [alert for alert in stored.values() if not alert.is_told or alert.until is not None]
        if not news:
            return
        await self._notifier.tell(news)
        for alert in news:
            if alert.until is not None:
                del stored[alert.name]
                await self._redis.hdel(ALERTS, alert.name)
            else:
                alert.is_told = True
                await self._store(alert)

    async def _stored(self) -> dict[str, Alert]:
        return {str(name, "utf-8"): _decoder.decode(text) for name, text in (await self._redis.hgetall(ALERTS)).items()}

    async def _store(self, alert: Alert) -> None:
        await self._redis.hset(ALERTS, alert.name, msgspec.json.encode(alert))


def _fires(alert: Alert | None) -> bool:
    return alert is not None and alert.until is None
