"""Push: the ASGI extension by which frames reach a client without a coroutine for each, which costs more than to write
them. Our protocols for uvicorn have it; behind any other server ASGI's `send` is used."""

from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope

PUSH = "hopstream.push"


class Push(Protocol):
    on_probe: Callable[[], object] | None
    """Called where nothing but a write can tell whether the client is still there. Set by whoever can write what says
    nothing."""

    @property
    def is_ready(self) -> bool:
        """Whether the client has been answered, and takes what comes."""
        ...

    def write(self, data: bytes, /) -> None:
        """To the connection itself, as it is, and only while it is ready."""
        ...


def push_of(scope: Scope) -> Push | None:
    """None behind any other server."""
    push: Push | None = scope.get("extensions", {}).get(PUSH)
    return push
