"""What an engine tells of its containers: which started, and what went wrong with one, as a line of its log."""

from collections.abc import AsyncIterator, Mapping
from time import time
from typing import Any

import aiohttp
import msgspec

from core.telemetry.log_stream.record import Level
from logs.collector.docker.selection import Container, of_event
from logs.collector.resuming import NANOSECONDS
from logs.records.joining import Splitter

_HEALTH = "health_status: "


class Event(msgspec.Struct):
    action: str
    """As start, die, destroy, oom, `health_status: unhealthy`."""
    container: Container
    ns: int
    """When, since 1970."""
    exit_code: int | None = None
    """With die."""


async def events_in(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Of GET /events: objects, one a line, for as long as it lasts."""
    splitter = Splitter()
    async for data in response.content.iter_any():
        for text, cut in splitter.feed(data):
            if text.strip() and not cut and (event := parse_event(text)) is not None:
                yield event


def parse_event(text: str) -> Event | None:
    try:
        values = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(values, dict) or values.get("Type", "container") != "container":
        return None
    container = of_event(values)
    action = str(values.get("Action") or values.get("status") or "")
    return Event(action, container, _time(values), _exit_code(container.labels)) if container.id and action else None


def line_about(event: Event) -> tuple[str, Level, dict[str, object]] | None:
    """What there is to say of it: text, level and fields. None where there is nothing wrong."""
    if event.action == "oom":
        return "out of memory: the kernel killed a process of this container", "error", {"event": "oom"}
    if event.action.startswith(_HEALTH):
        health = event.action.removeprefix(_HEALTH)
        is_well = health.startswith("healthy")
        return f"the container is {health}", "info" if is_well else "warning", {"event": "health", "health": health}
    if event.action == "die" and event.exit_code is not None:
        level: Level = "info" if event.exit_code == 0 else "error"
        if event.exit_code in (130, 143):  # by SIGINT, SIGTERM
            level = "warning"
        text = f"the container ended with exit code {event.exit_code}"
        return text, level, {"event": "die", "exit_code": event.exit_code}
    return None


def _time(values: Mapping[str, Any]) -> int:
    for key, scale in (("timeNano", 1), ("time", NANOSECONDS)):
        if isinstance(values.get(key), int) and values[key] > 0:
            return int(values[key]) * scale
    return int(time() * NANOSECONDS)


def _exit_code(attributes: Mapping[str, str]) -> int | None:
    """Podman calls it otherwise."""
    text = attributes.get("exitCode") or attributes.get("containerExitCode") or ""
    return int(text) if text.lstrip("-").isdecimal() else None
