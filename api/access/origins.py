"""Origins: which pages may open a WebSocket. A browser lets every page open one anywhere: CORS does not apply to it.

Allowed are the pages of the host itself, and those of origins that CORS_ORIGINS names; `*`, which is its default in
development, names none. What is no browser sends no `Origin`, and is no concern of this module.

Without API_KEYS a page's origin is all that tells friend from stranger, and the same host is not enough for that: the
owner of evil.example can let this name point to 127.0.0.1 (DNS rebinding), and then its page is of the host of this
API. So the host must be one that no stranger can point anywhere: an address, a name without a dot, or a name that the
public DNS cannot have. Any other one has to be named, by CORS_ORIGINS or API_HOST.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from core.model.errors import HopstreamError
from core.settings import Settings

PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
"""RFC 6761, RFC 6762, ICANN's resolution of 2024-07-29, RFC 8375."""
QUOTED_CHARS = 100


class OriginRefused(HopstreamError):
    code = "origin_refused"
    status = 403
    title = "Pages of this origin may not open WebSockets here"


class Origins:
    def __init__(self, settings: Settings) -> None:
        self._is_open = not settings.api_keys
        self._named = {origin.lower().rstrip("/") for origin in settings.allowed_origins if origin != "*"}
        self._our_hosts = {settings.api_host.lower(), *(urlsplit(origin).hostname for origin in self._named)}

    def check(self, connection: HTTPConnection) -> None:
        """Of a WebSocket that is being opened. Raises OriginRefused."""
        origins = connection.headers.getlist("origin")
        if not origins or (len(origins) == 1 and origins[0].lower() in self._named):
            return
        origin, host = ", ".join(origins), connection.headers.get("host", "").lower()
        if not _is_page_of(origin.lower(), host, connection.scope["scheme"]):
            raise OriginRefused(f"{origin[:QUOTED_CHARS]} is another host; it can be named in CORS_ORIGINS")
        if self._is_open and not self._is_out_of_reach(host):
            raise OriginRefused(
                f"without API_KEYS, pages of {origin[:QUOTED_CHARS]} may open WebSockets only if CORS_ORIGINS names it"
            )

    def _is_out_of_reach(self, host: str) -> bool:
        """Of strangers, who may let a name of theirs point to us."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._our_hosts or "." not in name or name.endswith(PRIVATE_NAMES):
                return True
            ip_address(name)
        except ValueError:
            return False
        return True


def _is_page_of(origin: str, host: str, scheme: str) -> bool:
    """Both leave out their scheme's default port. `ws` may have been `wss` before a proxy; `wss` is what it says."""
    schemes = ("https",) if scheme == "wss" else ("http", "https")
    return bool(host) and origin in [f"{page_scheme}://{host}" for page_scheme in schemes]
