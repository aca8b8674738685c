"""Tells of alerts: webhooks, and whatever Apprise can reach, where it is installed."""

import asyncio
import os
from typing import Any

import aiohttp
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from core.extras import require_extra
from logs.alerts.alert import Alert, alertmanager_message
from logs.alerts.rules import Rules, Webhook

log = structlog.get_logger()

ANSWER_SECONDS = aiohttp.ClientTimeout(total=5)
TRIES = 3


class NotTold(Exception):
    """A receiver did not take it."""


class Notifier:
    def __init__(self, rules: Rules) -> None:
        """Raises SystemExit where Apprise is asked for and not there."""
        self._webhooks = rules.webhook
        self._apprise: Any = None
        if rules.apprise:
            require_extra("apprise", "LOG_ALERTS: apprise")
            import apprise

            self._apprise = apprise.Apprise()
            for number, url in enumerate(rules.apprise, 1):
                if not self._apprise.add(url):
                    raise SystemExit(f"LOG_ALERTS: apprise number {number}: not a URL that Apprise knows")

    async def tell(self, alerts: list[Alert]) -> None:
        """Each webhook is asked three times. Who never takes it is logged; the others are told all the same."""
        async with aiohttp.ClientSession(timeout=ANSWER_SECONDS) as session:
            tasks = [self._post(session, webhook, alerts) for webhook in self._webhooks]
            if self._apprise is not None:
                tasks.append(self._notify(alerts))
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(error, BaseException):
                    log.error(
                        "an alert was not told", action="alert.not_told", error=str(error) or type(error).__name__
                    )

    async def _post(self, session: aiohttp.ClientSession, webhook: Webhook, alerts: list[Alert]) -> None:
        headers = {}
        if webhook.token_variable is not None:
            headers["Authorization"] = f"Bearer {os.environ[webhook.token_variable]}"
        retrying = AsyncRetrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception_type((aiohttp.ClientError, TimeoutError, NotTold)),
            reraise=True,
        )
        message = alertmanager_message(alerts)
        async for attempt in retrying:
            with attempt:
                async with session.post(webhook.url, json=message, headers=headers, allow_redirects=False) as response:
                    if response.status >= 300:
                        raise NotTold(f"{response.host} answered with {response.status}")

    async def _notify(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            title = f"{'Firing' if alert.until is None else 'Over'}: {alert.name}"
            if not await self._apprise.async_notify(title=title, body=alert.text):
                raise NotTold("Apprise could not tell all of its receivers")
