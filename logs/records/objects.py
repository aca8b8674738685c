"""What the keys of a structured line mean, whichever logger wrote it."""

import re
from typing import Any

import msgspec

from core.telemetry.log_stream.record import Level
from logs.records.levels import level_of_value

_TIME, _LEVEL, _MESSAGE, _SERVICE, _TRACE, _SESSION, _REQUEST, _OTHER_REQUEST = range(8)

_ROLES: dict[str, int] = {
    **dict.fromkeys(("time", "timestamp", "@timestamp", "ts", "@t", "t", "datetime", "date", "asctime"), _TIME),
    **dict.fromkeys(("Timestamp", "time_unix_nano", "timeUnixNano", "timeMillis", "eventTime"), _TIME),
    **dict.fromkeys(("level", "severity", "@l", "log.level", "lvl", "levelname", "levelno", "loglevel"), _LEVEL),
    **dict.fromkeys(("log_level", "logLevel", "Level", "severity_text", "severityText", "SeverityText"), _LEVEL),
    **dict.fromkeys(("severity_number", "severityNumber", "SeverityNumber", "PRIORITY", "s"), _LEVEL),
    **dict.fromkeys(("message", "msg", "event", "@m", "text", "body", "Body", "short_message", "log"), _MESSAGE),
    **dict.fromkeys(("Message", "MESSAGE", "@mt", "textPayload"), _MESSAGE),
    **dict.fromkeys(("service", "service.name", "service_name", "serviceName"), _SERVICE),
    **dict.fromkeys(("exception", "stack", "stack_trace", "stacktrace", "exc_info", "error.stack_trace"), _TRACE),
    **dict.fromkeys(("@x", "err", "error", "exc", "Exception"), _TRACE),
    **dict.fromkeys(("session_id", "sessionId", "sessionID", "session.id", "session-id", "SessionId"), _SESSION),
    **dict.fromkeys(("x-session-id", "X-Session-ID", "conversation_id", "conversationId"), _SESSION),
    **dict.fromkeys(("gen_ai.conversation.id", "session"), _SESSION),
    **dict.fromkeys(("request_id", "requestId", "requestID", "request.id", "request-id", "RequestId"), _REQUEST),
    **dict.fromkeys(("x-request-id", "X-Request-ID", "X-Request-Id", "x_request_id", "reqId", "req_id"), _REQUEST),
    **dict.fromkeys(("http.request.id", "request", "req"), _REQUEST),
    **dict.fromkeys(("trace_id", "traceId", "traceID", "trace.id", "TraceId", "dd.trace_id"), _OTHER_REQUEST),
    **dict.fromkeys(("correlation_id", "correlationId", "CorrelationId", "x-correlation-id"), _OTHER_REQUEST),
    **dict.fromkeys(("otelTraceID", "logging.googleapis.com/trace", "trace"), _OTHER_REQUEST),
}
"""Of one role the key that stands first here is taken, the others are fields like any other."""
_RANKS = {key: rank for rank, key in enumerate(_ROLES)}
_NESTED = {"session", "request", "req", "trace"}
"""They count only as objects with an id in it, as ECS and pino-http have them."""
_NAME = re.compile(r"[\w.@/:-]{1,100}")
_MOST_OF_AN_ID = 200

Roles = dict[int, str]
"""Role to the key that has it."""


class Meaning(msgspec.Struct):
    """Of a structured line."""

    time_key: str | None = None
    """Of a field that may be its time."""
    level: Level | None = None
    message: str | None = None
    service: str | None = None


def meaning_of(values: dict[str, Any]) -> Meaning:
    """Takes the keys that it understands out of `values`, which are the fields then; ids are there under the names by
    which they can be asked for."""
    roles: Roles = {}
    for key in values:
        role = _ROLES.get(key)
        if role is None or (role in roles and _RANKS[roles[role]] < _RANKS[key]):
            continue
        if _fits(role, key, values[key]):
            roles[role] = key
    meaning = Meaning(time_key=roles.get(_TIME))
    _take_level(meaning, roles, values)
    if _MESSAGE in roles:
        meaning.message = values.pop(roles[_MESSAGE])
    if _SERVICE in roles:
        meaning.service = _service(values.pop(roles[_SERVICE]))
    if _TRACE in roles:
        _take_trace(meaning, roles[_TRACE], values)
    if roles and max(roles) >= _SESSION:
        _take_ids(roles, values)
    return meaning


def _fits(role: int, key: str, value: Any) -> bool:
    if role == _MESSAGE:
        return isinstance(value, str)
    if role == _TIME:
        return isinstance(value, str | int | float | dict)
    if role == _SERVICE:
        name = _service(value)
        return name is not None and _NAME.fullmatch(name) is not None
    if role == _TRACE:
        return _trace(value) is not None
    return role == _LEVEL or (_id(value) is not None and (key not in _NESTED or isinstance(value, dict)))


def _take_level(meaning: Meaning, roles: Roles, values: dict[str, Any]) -> None:
    if (key := roles.get(_LEVEL)) is not None and (level := level_of_value(values[key], key)) is not None:
        meaning.level = level
        if isinstance(values[key], str | int):
            del values[key]
    elif isinstance(log := values.get("log"), dict):  # ECS
        meaning.level = level_of_value(log.get("level"))


def _take_trace(meaning: Meaning, key: str, values: dict[str, Any]) -> None:
    """Below the message, as it would stand in a line that is not structured."""
    trace = _trace(values[key])
    if isinstance(values[key], str):
        del values[key]
    meaning.message = f"{meaning.message}\n{trace}" if meaning.message else trace


def _take_ids(roles: Roles, values: dict[str, Any]) -> None:
    for name, found in (("session_id", (_SESSION,)), ("request_id", (_REQUEST, _OTHER_REQUEST))):
        key = next((roles[role] for role in found if role in roles), None)
        if key is None:
            continue
        value = _id(values[key])
        if key not in _NESTED and _ROLES[key] != _OTHER_REQUEST:
            del values[key]
        values[name] = value


def _service(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None


def _trace(value: Any) -> str | None:
    """What is called error is a stack trace only if it has several lines."""
    text = value.get("stack") or value.get("stack_trace") if isinstance(value, dict) else value
    return text if isinstance(text, str) and "\n" in text else None


def _id(value: Any) -> str | None:
    value = value.get("id") if isinstance(value, dict) else value
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= _MOST_OF_AN_ID else None
