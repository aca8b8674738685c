"""A page at a path where programs find something else: whoever would rather have HTML gets the page."""

from starlette.routing import Match, Route
from starlette.types import Scope

from api.http.accept import Accept


class PageRoute(Route):
    """Stands ahead of the route that has the path for everybody else, and knows nothing of it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, details = super().matches(scope)
        return (match, details) if match is not Match.NONE and prefers_page(scope) else (Match.NONE, {})


def prefers_page(scope: Scope) -> bool:
    """Whether HTML is more welcome than JSON, as where a browser goes to an address (RFC 9110, 12.5.1)."""
    accept = Accept([value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"accept"])
    html, json = accept.wish("text/html"), accept.wish("application/json")
    return html is not None and (json is None or html > json)
