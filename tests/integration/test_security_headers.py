"""What browsers are told, about every kind of answer."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.client import get
from tests.integration.conftest import KEYS, Guarded
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.stack import Stack

COMMON = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
PAGES = ("/", "/docs", "/streams", "/goals/a/b")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Stack(tmp_path_factory.mktemp("production"), API_KEYS=KEYS, ENV="production") as stack:
        yield stack.start_api(ready=False)


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Stack(tmp_path_factory.mktemp("development")) as stack:
        yield stack.start_api(ready=False)


def policy(response: httpx.Response) -> dict[str, set[str]]:
    """The sources by directive."""
    directives = (part.split() for part in response.headers["content-security-policy"].split(";"))
    return {name: set(sources) for name, *sources in directives}


def test_every_answer_has_them(development: Api, guarded: Guarded) -> None:
    chat = {"message": "hello", "mode": "direct", "model": "mock?tokens=1"}
    answers = [
        *(get(f"{development.url}{path}") for path in (*PAGES, "/health", "/assets/app.js", "/openapi.json")),
        *(get(f"{development.url}{path}") for path in ("/nowhere", "/sessions/unknown", "/stream/a.b")),
        httpx.post(f"{development.url}/chat", json=chat, timeout=PATIENCE_SECONDS),
        httpx.post(f"{development.url}/chat", content=b"x" * 1_700_000, timeout=PATIENCE_SECONDS),
        httpx.options(
            f"{development.url}/chat",
            headers={"Origin": "null", "Access-Control-Request-Method": "POST"},
            timeout=PATIENCE_SECONDS,
        ),
        get(f"{guarded.apis[0].url}/sessions"),
    ]
    found = [200] * (len(PAGES) + 3)
    assert [answer.status_code for answer in answers] == [*found, 404, 404, 422, 200, 413, 200, 401]
    for answer in answers:
        assert COMMON.items() <= dict(answer.headers).items(), answer.url
        assert "camera=()" in answer.headers["permissions-policy"]
        assert policy(answer)["default-src"] == {"'none'"}
        assert policy(answer)["frame-ancestors"] == {"'none'"}
        assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_its_own_files_alone(development: Api, path: str) -> None:
    page = get(f"{development.url}{path}")
    allowed = policy(page)
    assert allowed["script-src"] == allowed["style-src"] == {"'self'"}
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)


def test_an_answer_that_is_no_page_may_load_nothing(development: Api) -> None:
    for path in ("/health", "/assets/icon.svg", "/nowhere"):
        assert policy(get(f"{development.url}{path}")).keys() == {
            "default-src",
            "frame-ancestors",
        }


def test_production_is_stricter(production: Api, development: Api) -> None:
    page = get(production.url)
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert get(f"{production.url}/sessions").headers["strict-transport-security"]
    assert policy(page)["connect-src"] == {"'self'"}
    assert {"http:", "https:", "ws:", "wss:"} <= policy(get(development.url))["connect-src"]


def preflight(api: Api, origin: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return httpx.options(f"{api.url}/chat", headers=headers, timeout=PATIENCE_SECONDS)


def test_cors_is_closed_in_production(production: Api) -> None:
    refused = preflight(production, "https://chat.example")
    assert refused.status_code == 401
    simple = httpx.get(f"{production.url}/health", headers={"Origin": "https://chat.example"}, timeout=PATIENCE_SECONDS)
    for answer in (refused, simple):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_cors_opens_for_those_it_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("origins")
    with Stack(home, API_KEYS=KEYS, ENV="production", CORS_ORIGINS="https://chat.example") as stack:
        api = stack.start_api(ready=False)
        welcome = preflight(api, "https://chat.example")
        assert welcome.status_code == 200  # a preflight has no key
        assert welcome.headers["access-control-allow-origin"] == "https://chat.example"
        assert "authorization" in welcome.headers["access-control-allow-headers"].lower()
        refused = httpx.get(f"{api.url}/sessions", headers={"Origin": "https://chat.example"}, timeout=PATIENCE_SECONDS)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://chat.example"  # so that the page can read why
        assert "access-control-allow-origin" not in preflight(api, "https://evil.example").headers
