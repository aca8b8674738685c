"""One path, two answers: a page for people, and what programs find there."""

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from api.access.policy import CLOSED, RoutePolicies, policy
from api.http.page_route import PageRoute

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PEOPLE = [CHROMIUM, "text/html", "text/html, application/json", "text/*, application/json;q=0.9"]
PROGRAMS = [None, "", "*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*", "text/html;q=0"]


@pytest.fixture
def app() -> FastAPI:
    @policy(is_open=True)
    async def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    app = FastAPI()
    app.router.routes.append(PageRoute("/things", page))

    @app.get("/things")
    async def things() -> list[str]:
        return ["a thing"]

    @app.post("/things")
    async def add() -> None: ...

    return app


def ask(app: FastAPI, accept: str | None, method: str = "GET") -> str:
    headers = {} if accept is None else {"Accept": accept}
    return TestClient(app, headers=headers).request(method, "/things").text


@pytest.mark.parametrize("accept", PEOPLE)
def test_who_would_rather_have_html_gets_the_page(app: FastAPI, accept: str) -> None:
    assert ask(app, accept) == "a page"


@pytest.mark.parametrize("accept", PROGRAMS)
def test_everybody_else_gets_what_they_got_before(app: FastAPI, accept: str | None) -> None:
    assert ask(app, accept) == '["a thing"]'


def test_other_methods_are_not_the_page_s(app: FastAPI) -> None:
    assert ask(app, CHROMIUM, "POST") == "null"


def test_strangers_may_see_the_page_and_nothing_behind_it(app: FastAPI) -> None:
    policies = RoutePolicies(app.routes)

    def found(accept: str, method: str = "GET") -> bool:
        scope = {"type": "http", "path": "/things", "method": method, "headers": [(b"accept", accept.encode())]}
        return policies.find(scope).policy.is_open

    assert found(CHROMIUM)
    assert not found("*/*")
    assert not found(CHROMIUM, "POST")
    assert policies.find({"type": "http", "path": "/things", "method": "GET"}).policy == CLOSED
