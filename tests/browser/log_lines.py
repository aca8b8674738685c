"""Which lines of a log a question means, as `log_gateway` answers it."""

import re
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

Json = dict[str, Any]
LEVELS = ["trace", "debug", "info", "warning", "error", "critical"]


def matches(line: Json, query: QueryParams) -> bool:
    fields = line.get("fields", {})
    level = query.get("level")
    return (
        line["channel"] in (query.getlist("channel") or [line["channel"]])
        and line["service"] in (query.getlist("service") or [line["service"]])
        and (not level or (line.get("level") in LEVELS and LEVELS.index(line["level"]) >= LEVELS.index(level)))
        and query.get("q", "").lower() in line["message"].lower()
        and bool(re.search(query.get("regex", ""), line["message"]))
        and fields.get("session_id") == query.get("session", fields.get("session_id"))
        and fields.get("request_id") == query.get("request", fields.get("request_id"))
        and ("since" not in query or moment(line["time"]) >= moment(query["since"]))
        and ("until" not in query or moment(line["time"]) <= moment(query["until"]))
    )


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def place(line_id: str) -> tuple[int, ...]:
    return tuple(map(int, line_id.split("-")))


def compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
