"""The options that a question may have, in one vocabulary (OpenAI's chat completions'), as each service takes them."""

from collections.abc import Callable, Mapping
from typing import Any

from core.model.errors import UnsupportedOption

Rename = str | Callable[[Any], dict[str, Any]] | None
"""The service's own name of an option; or what makes the members of its request of the value. None: it has no such
option."""


def translated(options: Mapping[str, Any], names: Mapping[str, Rename], service: str) -> dict[str, Any]:
    """The members of a service's request. Raises UnsupportedOption, which names the options that it does not have."""
    unknown = [name for name, value in options.items() if value is not None and names.get(name) is None]
    if unknown:
        raise UnsupportedOption(f"{service} has no option {', '.join(sorted(unknown))}")
    members: dict[str, Any] = {}
    for name, value in options.items():
        rename = names.get(name)
        if value is None or rename is None:
            continue
        members |= rename(value) if callable(rename) else {rename: value}
    return members


def listed(value: str | list[str]) -> list[str]:
    """`stop`, which may be one text or several."""
    return [value] if isinstance(value, str) else value


def schema_of(wanted: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a `response_format` that has one."""
    schema: dict[str, Any] = wanted.get("json_schema", wanted).get("schema", {})
    return schema
