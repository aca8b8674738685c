"""What browsers are told about every response: guess no type, show it in no frame, run nothing that is not ours."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from core.http.asgi import with_head
from core.settings import Settings

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # of all that is not a page
}
HSTS = "max-age=31536000"
"""A year. What other hosts of the domain do is not ours to say, hence no includeSubDomains."""


class SecurityHeadersMiddleware:
    """A header that a response has already is left to it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = dict(COMMON)
        if settings.env == "production":
            self._headers["Strict-Transport-Security"] = HSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send if scope["type"] == "lifespan" else with_head(send, self._add))

    def _add(self, headers: MutableHeaders) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
