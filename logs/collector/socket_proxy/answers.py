"""What of the engine's answers is passed on: the fields that the collector reads, and none of anybody's secrets."""

from collections.abc import Mapping, Set
from typing import Any

_VERSION = ("Version", "ApiVersion", "MinAPIVersion")
_STATE = ("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "ExitCode", "StartedAt", "FinishedAt")
_ATTRIBUTES = ("name", "exitCode", "containerExitCode")


def version(values: Any) -> dict[str, Any]:
    return _some(values, _VERSION)


def item(values: Any, labels: Set[str]) -> dict[str, Any]:
    """Of a list of containers. Labels may hold secrets, too."""
    return _some(values, ("Id", "Names", "State", "Created")) | {"Labels": _some(values.get("Labels"), labels)}


def details(values: Any, labels: Set[str]) -> dict[str, Any]:
    """Of one container."""
    config = values.get("Config")
    config = config if isinstance(config, dict) else {}
    state = values.get("State")
    return _some(values, ("Id", "Name", "Created")) | {
        "State": _some(state, _STATE),
        "Config": {"Tty": bool(config.get("Tty")), "Labels": _some(config.get("Labels"), labels)},
    }


def event(values: Any, labels: Set[str]) -> dict[str, Any]:
    actor = values.get("Actor")
    actor = actor if isinstance(actor, dict) else {}
    attributes = _some(actor.get("Attributes"), labels | set(_ATTRIBUTES))
    told = _some(values, ("Type", "Action", "status", "id", "time", "timeNano"))
    return told | {"Actor": {"ID": actor.get("ID", ""), "Attributes": attributes}}


def _some(values: Any, names: Set[str] | tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values} if isinstance(values, Mapping) else {}
