"""Policies: what a route asks of those who come to it, declared where the route is defined.

A route that declares nothing is closed: it needs an API key. So is every path that no route has.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount, WebSocketRoute
from starlette.types import Scope

from api.http.page_route import PageRoute, prefers_page

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Policy(NamedTuple):
    is_open: bool = False
    """Strangers may come as well, who have no key."""
    is_stream: bool = False
    """Counted for MAX_STREAMS and MAX_STREAMS_PER_CLIENT for as long as it is open."""
    costs: bool = False
    """Counted for RATE_LIMIT, once the request has turned out to be valid."""
    takes_stream_token: bool = False
    """A stream token stands for the key; see `api.access.stream_tokens`. The path has a `session_id`."""
    takes_ticket: bool = False
    """A WebSocket whose ticket stands for the key; see `api.access.tickets`."""


CLOSED = Policy()

_declared: WeakKeyDictionary[Any, Policy] = WeakKeyDictionary()
"""By endpoint, or the app of a mount."""


spend: ContextVar[Callable[[], Awaitable[None]]] = ContextVar("spend")
"""Counts the request that is being answered. May raise RateLimited."""


def policy(**declarations: bool) -> Callable[[Endpoint], Endpoint]:
    """Declares a route's policy: a decorator of its endpoint, below the route's own."""
    declared = Policy(**declarations)

    def declare(endpoint: Endpoint) -> Endpoint:
        if declared.costs:
            endpoint = _spending(endpoint)
        _declared[endpoint] = declared
        return endpoint

    return declare


def _spending(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def spend_first(*args: Any, **kwargs: Any) -> Any:
        await spend.get()()
        return await endpoint(*args, **kwargs)

    return spend_first  # type: ignore[return-value]


class Found(NamedTuple):
    """The policy of what a request will reach."""

    policy: Policy = CLOSED
    params: Mapping[str, str] = {}
    """The path's."""


NOTHING = Found()


class _Entry(NamedTuple):
    pattern: re.Pattern[str]
    methods: frozenset[str] | None
    policy: Policy
    is_page: bool
    """Only for those who would rather have a page."""


class RoutePolicies:
    """Finds a request's policy ahead of the router, by the router's own patterns and in its order."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._entries: dict[str, list[_Entry]] = {"http": [], "websocket": []}
        for route in iter_route_contexts([*routes]):
            kind = "websocket" if isinstance(route.original_route, WebSocketRoute) else "http"
            self._entries[kind].append(_entry(route))

    def find(self, scope: Scope) -> Found:
        """Closed where no route has the path."""
        path, method = route_path(scope), scope.get("method")
        found = NOTHING
        for pattern, methods, declared, is_page in self._entries[scope["type"]]:
            match = pattern.match(path)
            if match is None or (is_page and not prefers_page(scope)):
                continue
            if methods is None or method in methods:
                return Found(declared, match.groupdict())
            found = Found(Policy(is_open=found.policy.is_open or declared.is_open))  # the router answers 405
        return found


def route_path(scope: Scope) -> str:
    """The path as the routes know it: without the prefix that a server is told to serve under (`--root-path`)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _entry(route: RouteContext) -> _Entry:
    original = route.original_route
    endpoint = original.app if isinstance(original, Mount) else route.endpoint
    methods = frozenset(getattr(route, "methods", None) or ()) or None
    declared = _declared.get(endpoint, CLOSED)
    return _Entry(route.path_regex, methods, declared, isinstance(original, PageRoute))
