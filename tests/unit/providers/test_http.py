"""The HTTP client that providers share: proxies, and what Retry-After can say."""

import pytest

from core.providers.http.client import MAX_REDIRECTS, Body, HttpClient, _retry_after
from core.providers.http.failures import Broken, Refused
from core.proxies import proxy_of
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def read_all(body: Body) -> bytes:
    said = b""
    while piece := await body.content.readany():
        said += piece
    return said


async def test_a_request_goes_by_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    http = HttpClient(5)
    async with Upstream() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        proxy.say(whole(200, b"hello"))
        async with http.post("http://model.test/v1", {}, b"hi") as body:
            assert await read_all(body) == b"hello"
        await http.close()
    assert [asked.path for asked in proxy.asked] == ["http://model.test/v1"]


async def test_cookies_are_not_kept() -> None:
    http = HttpClient(5)
    async with Upstream() as upstream:
        upstream.say(whole(200, b"hello", Set_Cookie="a=b"))
        for _ in range(2):  # by name: a cookie of an address is never kept
            async with http.post(f"http://localhost:{upstream.port}/", {}, b"hi") as body:
                await read_all(body)
        await http.close()
    assert ["cookie" in asked.headers for asked in upstream.asked] == [False, False]


KEYS = {"Authorization": "Bearer k", "x-api-key": "k", "X-Goog-Api-Key": "k", "X-Proxy-Password": "k"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_gets_the_same_question_and_the_key_at_home_alone(status: int) -> None:
    http = HttpClient(5)

    def moved(to: str) -> bytes:
        return f"HTTP/1.1 {status} Moved\r\nContent-Length: 0\r\nLocation: {to}\r\n\r\n".encode()

    async with Upstream() as upstream, Upstream() as other:
        upstream.say_first(moved("/v2"), moved(f"{other.url}/v3"))
        other.say(whole(200, b"hello"))
        async with http.post(f"{upstream.url}/v1", {"Content-Type": "text/plain", **KEYS}, b"hi") as body:
            assert await read_all(body) == b"hello"
        await http.close()
    asked = [*upstream.asked, *other.asked]
    assert [(each.path, each.body) for each in asked] == [("/v1", b"hi"), ("/v2", b"hi"), ("/v3", b"hi")]
    has_keys = [[name.lower() in each.headers for name in KEYS] for each in asked]
    assert has_keys == [[True] * 4, [True] * 4, [False] * 4]
    assert [each.headers["content-type"] for each in asked] == ["text/plain"] * 3


async def test_a_redirect_to_no_address_is_a_failure() -> None:
    http = HttpClient(5)
    async with Upstream() as upstream:
        upstream.say(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: http://h:99999/\r\n\r\n")
        with pytest.raises(Broken):
            async with http.post(f"{upstream.url}/v1", {}, b"hi"):
                pass
        await http.close()


async def test_redirects_without_an_end_are_a_refusal() -> None:
    http = HttpClient(5)
    async with Upstream() as upstream:
        upstream.say(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: /again\r\n\r\n")
        with pytest.raises(Refused, match="307"):
            async with http.post(f"{upstream.url}/v1", {}, b"hi"):
                pass
        await http.close()
    assert len(upstream.asked) == 1 + MAX_REDIRECTS


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://a/", None),
        ({"https_proxy": "http://p:1"}, "https://a/", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "http://a/", None),
        ({"https_proxy": "p:1"}, "https://a/", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "https://a/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "a,b"}, "https://a:8443/", None),
        ({"https_proxy": "http://p:1", "no_proxy": "b"}, "https://a/", "http://p:1"),
    ],
)
def test_proxies(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("1.5", 1.5),
        ("-1", 0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert _retry_after(value) == seconds
