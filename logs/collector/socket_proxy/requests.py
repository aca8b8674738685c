"""Which requests are let through, and with which parameters: a list of six, and nothing that resembles them."""

import re
from urllib.parse import parse_qsl

import msgspec

_ID = r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]{0,127})"
_PATH = re.compile(
    r"(?:/v1\.\d{1,3})?/(?:(?P<ping>_ping)|(?P<version>version)|(?P<events>events)"
    rf"|containers/(?:(?P<list>json)|{_ID}/(?:(?P<inspect>json)|(?P<logs>logs))))"
)
"""All of a path as it is sent: what would first have to be decoded or resolved (%2e, //, ..) is none of these."""
_FLAG = re.compile(r"[01]|true|false|True|False")
_TIME = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_TAIL = re.compile(r"\d{1,9}|all")
_PARAMETERS: dict[str, dict[str, re.Pattern[str]]] = {
    "ping": {},
    "version": {},
    "list": {"all": _FLAG},
    "inspect": {},
    "logs": {"follow": _FLAG, "stdout": _FLAG, "stderr": _FLAG, "timestamps": _FLAG, "since": _TIME, "until": _TIME}
    | {"tail": _TAIL},
    "events": {"since": _TIME, "until": _TIME, "filters": re.compile(r"[\x20-\x7e]{0,2000}")},
}
"""`filters` of events is not passed on: all events of containers are asked for, and looked at one by one."""


class Request(msgspec.Struct):
    kind: str
    """ping, version, list, inspect, logs or events."""
    container: str
    """Its id or name, where it is about one."""
    query: dict[str, str]


def parse(method: str, target: str) -> Request | None:
    """`target`: path and query as they came. None: not allowed."""
    path, _, query = target.partition("?")
    found = _PATH.fullmatch(path) if method == "GET" else None
    if found is None:
        return None
    kind = next(name for name in _PARAMETERS if found[name])
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=10)
    except ValueError:
        return None
    allowed = _PARAMETERS[kind]
    if len(dict(pairs)) != len(pairs) or not all(name in allowed and allowed[name].fullmatch(v) for name, v in pairs):
        return None
    return Request(kind, found["id"] or "", {name: value for name, value in pairs if name != "filters"})
