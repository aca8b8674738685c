"""Policies: closed by default, for whatever there is a route or none; and what the router will say is foreseen."""

import re
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

from api.access.policy import CLOSED, Policy, RoutePolicies, policy
from api.app import create_app
from core.settings import Settings

OPEN = {("http", "GET", path) for path in ("/", "/streams", "/goals/x", "/health", "/healthz", "/ready", "/assets/x")}
"""All that strangers may ask for. Whoever adds to it thinks twice."""
SOCKETS = {("websocket", "GET", path) for path in ("/ws/chat", "/ws/stream/x", "/ws/events")}
ASKING = {("http", "POST", path) for path in ("/chat", "/narrator/messages")}
STREAMS = {("http", "GET", "/stream/x"), ("http", "GET", "/events"), *ASKING, *SOCKETS}
COSTS = {("http", "GET", "/test"), *ASKING}

PARAMETER = re.compile(r"\{(session_id|agent_id|goal_id:path|name)\}")


def found(policies: RoutePolicies, path: str, method: str = "GET", kind: str = "http", **details: Any) -> Policy:
    return policies.find({"type": kind, "path": path, "method": method, **details}).policy


@pytest.fixture
def app() -> FastAPI:
    return create_app(Settings(_env_file=None))


def test_every_route_is_closed_that_is_not_known_to_be_open(app: FastAPI) -> None:
    policies = RoutePolicies(app.routes)
    declared = {}
    for route in iter_route_contexts(app.routes):
        kind = "websocket" if isinstance(route.original_route, WebSocketRoute) else "http"
        folder = "/x" if isinstance(route.original_route, Mount) else ""
        path = PARAMETER.sub("x", route.path or "") + folder
        assert "{" not in path, f"teach this test what {path} is about"
        for method in route.methods or {"GET"}:
            declared[kind, method, path] = found(policies, path, method, kind)
    assert {route for route, policy in declared.items() if policy.is_open} == OPEN
    assert {route for route, policy in declared.items() if policy.is_stream} == STREAMS
    assert {route for route, policy in declared.items() if policy.costs} == COSTS
    assert {route for route, policy in declared.items() if policy.takes_stream_token} == {("http", "GET", "/stream/x")}
    assert {route for route, policy in declared.items() if policy.takes_ticket} == SOCKETS


@pytest.mark.parametrize("path", ["/nowhere", "", "//", "/health/", "/healthy", "/assets", "/a/health", "/stream/x/y"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_path_that_no_route_has_is_closed(app: FastAPI, path: str, kind: str) -> None:
    assert found(RoutePolicies(app.routes), path, kind=kind) == CLOSED


def test_a_route_that_declares_nothing_is_closed() -> None:
    app = FastAPI()
    router = APIRouter(prefix="/deep")

    @router.get("/new")
    async def new() -> None: ...

    @router.websocket("/socket")
    async def socket() -> None: ...

    app.include_router(router, prefix="/very")
    app.mount("/files", StaticFiles(check_dir=False))
    policies = RoutePolicies(app.routes)
    for path, kind in (("/very/deep/new", "http"), ("/very/deep/socket", "websocket"), ("/files/x", "http")):
        assert found(policies, path, kind=kind) == CLOSED


def test_a_declaration_is_found_wherever_its_route_was_put() -> None:
    app = FastAPI()
    router = APIRouter(prefix="/deep")

    @router.get("/{thing}/parts/{part}")
    @policy(is_stream=True)
    async def show() -> None: ...

    @router.websocket("/{thing}")
    @policy(costs=True)
    async def socket() -> None: ...

    app.include_router(router, prefix="/very")
    policies = RoutePolicies(app.routes)
    shown = policies.find({"type": "http", "path": "/very/deep/a/parts/b", "method": "GET"})
    assert (shown.policy, shown.params) == (Policy(is_stream=True), {"thing": "a", "part": "b"})
    assert found(policies, "/very/deep/a", kind="websocket") == Policy(costs=True)
    assert found(policies, "/very/deep/a") == CLOSED


def test_of_two_routes_that_match_the_first_counts_as_for_the_router() -> None:
    app = FastAPI()

    @app.get("/{anything}")
    async def closed() -> None: ...

    @app.get("/health")
    @policy(is_open=True)
    async def never_reached() -> None: ...

    assert found(RoutePolicies(app.routes), "/health") == CLOSED


def test_another_method_of_an_open_path_is_open_to_be_told_so(app: FastAPI) -> None:
    policies = RoutePolicies(app.routes)
    assert found(policies, "/health", "POST") == Policy(is_open=True)
    assert found(policies, "/chat", "GET") == CLOSED
    assert found(policies, "/stream/x", "DELETE") == CLOSED


def test_a_goal_may_have_any_name(app: FastAPI) -> None:
    policies = RoutePolicies(app.routes)
    for path in ("/goals/a/b", "/goals/ü ?#%", "/goals/-"):
        assert found(policies, path).is_open
    assert found(policies, "/goals") == CLOSED
    assert not found(policies, "/goals/x", kind="websocket").is_open


def test_the_prefix_that_a_server_is_told_to_serve_under_counts_for_nothing(app: FastAPI) -> None:
    policies = RoutePolicies(app.routes)
    assert found(policies, "/llm/health", root_path="/llm").is_open
    assert not found(policies, "/llmhealth", root_path="/llm").is_open
    assert not found(policies, "/llm/health").is_open
    assert policies.find({"type": "http", "method": "GET", "path": "/llm/stream/s", "root_path": "/llm"}).params == {
        "session_id": "s"
    }
