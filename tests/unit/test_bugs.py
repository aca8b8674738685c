"""What nobody has handled is answered like all the rest, with its headers and for other origins, and logged once."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from structlog.testing import capture_logs
from structlog.typing import EventDict

from api.app import create_app
from api.http.handlers import BugMiddleware, install_handlers
from api.http.requests import RequestIdMiddleware
from core.model.errors import BrokerDown
from core.settings import Settings
from tests.integration.conftest import assert_problem
from tests.unit.asgi_socket import open_socket

pytestmark = pytest.mark.anyio


Lines = list[EventDict]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Lines]:
    with capture_logs() as lines:
        yield lines


def actions(lines: Lines) -> list[str]:
    return [line["action"] for line in lines]


@pytest.fixture
def app() -> FastAPI:
    app = create_app(Settings(_env_file=None))
    app.state.services = None  # so that every route fails
    return app


async def test_a_bug_is_a_problem_with_all_headers(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/ready", headers={"X-Request-ID": "mine", "Origin": "https://chat.example"})
    assert_problem(response, 500, "internal_error")
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["access-control-allow-origin"] == "*"


async def test_one_before_a_socket_is_accepted_refuses_it(app: FastAPI, logged: Lines) -> None:
    head, body = await open_socket(app, "/ws/stream/s", headers={"x-request-id": "mine"})
    assert (head["type"], head["status"]) == ("websocket.http.response.start", 500)
    headers: dict[bytes, Any] = dict(head["headers"])
    assert headers[b"x-request-id"] == b"mine"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"internal_error" in body["body"]
    assert actions(logged) == ["http.bug"]


async def test_or_closes_it_for_a_client_that_knows_our_codes(app: FastAPI) -> None:
    accepted, closed = await open_socket(app, "/ws/stream/s", "hopstream.v1")
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "hopstream.v1")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1011)


def failing(error: Exception, *, after_close: bool = False) -> FastAPI:
    """An app whose socket fails after it has said something."""
    app = FastAPI()
    install_handlers(app)
    app.add_middleware(BugMiddleware)
    app.add_middleware(RequestIdMiddleware)

    @app.websocket("/ws/failing")
    async def fail(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("so far")
        if after_close:
            await websocket.close()
        raise error

    return app


async def test_one_in_an_open_socket_closes_it(logged: Lines) -> None:
    *_, said, closed = await open_socket(failing(ZeroDivisionError("a bug")), "/ws/failing")
    assert said["text"] == "so far"
    assert (closed["type"], closed["code"]) == ("websocket.close", 1011)
    assert actions(logged) == ["http.bug"]
    assert logged[0]["path"] == "/ws/failing"


async def test_one_after_its_end_changes_nothing(logged: Lines) -> None:
    *_, last = await open_socket(failing(ZeroDivisionError("a bug"), after_close=True), "/ws/failing")
    assert (last["type"], last["code"]) == ("websocket.close", 1000)
    assert actions(logged) == ["http.bug"]


async def test_an_error_of_ours_in_an_open_socket_is_no_bug(logged: Lines) -> None:
    *_, closed = await open_socket(failing(BrokerDown("the broker is away")), "/ws/failing")
    assert (closed["code"], closed["reason"]) == (4503, "the broker is away")
    assert actions(logged) == []


async def test_nor_is_a_client_that_leaves(app: FastAPI, logged: Lines) -> None:
    assert await open_socket(failing(ZeroDivisionError("never")), "/ws/failing", leaves=True) == []
    assert await open_socket(app, "/ws/nowhere", "hopstream.v1", leaves=True) == []
    assert actions(logged) == []
