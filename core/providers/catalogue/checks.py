"""What a model does not take, by the catalogue's word: it is told before its service is asked."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.model.errors import UnsupportedOption
from core.providers.base import Request, TextContent
from core.providers.catalogue.models import Model


def check(request: Request, model: Model) -> None:
    """Raises UnsupportedOption, which names all of it."""
    asked = {**request.options, "tool_choice": request.tool_choice, "response_format": request.response_format}
    refused = [f"no option {name}" for name in model.refuses if asked.get(name) is not None]
    if request.tools and not model.tools:
        refused.append("no tools")
    if not model.images and _has_data(request):
        refused.append("neither images nor files")
    allowed = {*model.provider_options}
    refused += [
        f"no provider_options.{path}; MODELS_FILE says which there are"
        for path in _paths(request.provider_options)
        if not _is_allowed(path, allowed)
    ]
    if refused:
        raise UnsupportedOption(f"{model.name} takes {', '.join(refused)}")


def _has_data(request: Request) -> bool:
    contents = [message.content for message in request.messages if not isinstance(message.content, str)]
    return any(not isinstance(part, TextContent) for content in contents for part in content)


def _paths(options: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Of the innermost values, with dots."""
    for name, value in options.items():
        if isinstance(value, dict) and value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield before + name


def _is_allowed(path: str, allowed: set[str]) -> bool:
    names = path.split(".")
    return any(".".join(names[: count + 1]) in allowed for count in range(len(names)))
