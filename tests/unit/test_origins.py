"""Which pages may open a WebSocket."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from api.access.origins import OriginRefused, Origins
from core.settings import Settings

KEYS = "alice:alice-0123456789"


def is_allowed(origin: str | None, host: str, *, scheme: str = "ws", **settings: Any) -> bool:
    headers = [(b"host", host.encode())] if host else []
    headers += [(b"origin", origin.encode())] if origin is not None else []
    scope = {"type": "websocket", "scheme": scheme, "path": "/ws", "headers": headers}
    try:
        Origins(Settings(_env_file=None, **settings)).check(HTTPConnection(scope))
    except OriginRefused:
        return False
    return True


@pytest.mark.parametrize("settings", [{}, {"api_keys": KEYS}], ids=["open", "with keys"])
@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8007", "localhost:8007", True),
        ("HTTP://LocalHost:8007", "localhost:8007", True),
        ("http://127.0.0.1:8007", "127.0.0.1:8007", True),
        ("http://[::1]:8007", "[::1]:8007", True),
        ("http://192.168.1.5:8007", "192.168.1.5:8007", True),
        ("http://workshop:8007", "workshop:8007", True),
        ("http://workshop.local:8007", "workshop.local:8007", True),
        ("http://localhost:9000", "localhost:8007", False),
        ("http://localhost", "localhost:8007", False),
        ("http://127.0.0.1:8007", "localhost:8007", False),
        ("https://evil.example", "localhost:8007", False),
        ("http://localhost:8007.evil.example", "localhost:8007", False),
        ("http://localhost:8007@evil.example", "localhost:8007", False),
        ("http://localhost:8007/", "localhost:8007", False),
        ("chrome-extension://localhost:8007", "localhost:8007", False),
        ("null", "localhost:8007", False),
        ("*", "localhost:8007", False),
        ("", "localhost:8007", False),
        ("http://", "", False),
    ],
)
def test_pages_of_the_host_itself_are_allowed(origin: str, host: str, allowed: bool, settings: dict[str, Any]) -> None:
    """`*`, which CORS_ORIGINS is in development, allows no others."""
    assert is_allowed(origin, host, **settings) is allowed


def test_what_is_no_browser_sends_no_origin_and_is_allowed() -> None:
    assert is_allowed(None, "hopstream.example")
    assert is_allowed(None, "")


def test_origins_that_are_named_are_allowed_on_any_host() -> None:
    named = {"cors_origins": "https://chat.example, https://other.example:8443/"}
    for origin in ("https://chat.example", "https://other.example:8443", "HTTPS://CHAT.EXAMPLE"):
        assert is_allowed(origin, "localhost:8007", **named)
    for origin in ("http://chat.example", "https://chat.example:444", "https://sub.chat.example", "null"):
        assert not is_allowed(origin, "localhost:8007", **named)


def test_of_two_origins_none_is_believed() -> None:
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"origin", b"https://evil.example")]
    with pytest.raises(OriginRefused):
        Origins(Settings(_env_file=None)).check(
            HTTPConnection({"type": "websocket", "scheme": "ws", "path": "/ws", "headers": headers})
        )


@pytest.mark.parametrize("host", ["evil.example:8007", "evil.example.:8007", "1.2.3.4.evil.example", "local", "a.lan"])
def test_without_keys_a_host_that_a_stranger_may_point_to_us_has_to_be_named(host: str) -> None:
    """DNS rebinding: the page is of this host, and the host is this API, today."""
    is_safe = host == "local"
    origin = f"http://{host}"
    assert is_allowed(origin, host) is is_safe
    assert is_allowed(origin, host, api_keys=KEYS)
    assert is_allowed(origin, host, cors_origins=origin)
    assert is_allowed(origin, host, api_host=host.partition(":")[0])
    assert is_allowed(origin, host, cors_origins="https://another.example") is is_safe


def test_a_host_that_is_none_is_no_safe_one() -> None:
    assert not is_allowed("http://[::1", "[::1")


def test_behind_a_proxy_that_ends_tls_pages_come_by_https() -> None:
    for scheme in ("ws", "wss"):
        assert is_allowed("https://hopstream.example", "hopstream.example", scheme=scheme, api_keys=KEYS)
    assert is_allowed("http://hopstream.example", "hopstream.example", api_keys=KEYS)
    assert not is_allowed("http://hopstream.example", "hopstream.example", scheme="wss", api_keys=KEYS)
