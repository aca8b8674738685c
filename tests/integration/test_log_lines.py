"""Log lines: each names its process and service, and those of one request can be followed through API and worker."""

import json
from typing import Any

import pytest

from tests.client import Client, new_session
from tests.integration.conftest import eventually
from tests.processes import Process
from tests.stack import Stack

pytestmark = pytest.mark.anyio

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines_of(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]


def actions(process: Process, request_id: str) -> list[str]:
    return [line.get("action", "") for line in lines_of(process) if line.get("request_id") == request_id]


async def test_a_request_can_be_followed_through_api_and_worker(stack: Stack) -> None:
    api, worker = stack.start_api(LOG_FORMAT="json"), stack.start_worker(LOG_FORMAT="json")
    async with Client(api.url) as client:
        session, request_id = new_session(), "followed-1"
        body = {"message": "hello", "session_id": session, "model": "mock?tokens=3"}
        headers = {"X-Request-ID": request_id, "traceparent": TRACEPARENT}
        assert (await client.http.post("/chat", json=body, headers=headers)).status_code == 202
        await client.read(session)
        await eventually(lambda: "turn.ended" in actions(worker, request_id))
    assert "turn.queued" in actions(api, request_id)
    assert {"turn.claimed", "turn.started", "turn.ended"} <= set(actions(worker, request_id))
    for process, service in ((api, "api"), (worker, "worker")):
        for line in lines_of(process):
            assert line["service"] == service
            assert line["process"].startswith(f"{service}-")
            assert f"-{process.pid}-" in line["process"]
    ended = next(line for line in lines_of(worker) if line.get("action") == "turn.ended")
    assert (ended["session_id"], ended["turn"], ended["attempt"]) == (session, 1, 1)


async def test_a_request_is_followed_to_the_worker_that_takes_its_turn_over(stack: Stack) -> None:
    api = stack.start_api(LOG_FORMAT="json")
    first = stack.start_worker(LOG_FORMAT="json")
    async with Client(api.url) as client:
        session, request_id = new_session(), "followed-2"
        body = {"message": "hello", "session_id": session, "model": "mock?tokens=2000&rate=10"}
        await client.http.post("/chat", json=body, headers={"X-Request-ID": request_id})
        await eventually(lambda: "turn.started" in actions(first, request_id))
        first.kill()
        second = stack.start_worker(LOG_FORMAT="json")
        await eventually(lambda: "turn.restarted" in actions(second, request_id))
        await client.cancel(session)
        await client.read(session)


async def test_every_line_of_an_api_is_in_the_form_that_was_set(stack: Stack) -> None:
    """Those of its server as well, from the first to the last."""
    api = stack.start_api(LOG_FORMAT="json")
    async with Client(api.url) as client:
        await client.http.get("/health")
    api.stop()
    lines = [json.loads(line) for line in api.output().splitlines()]
    assert any("Started server process" in line["event"] for line in lines)
    assert any("Finished server process" in line["event"] for line in lines)
    assert {line["service"] for line in lines} == {"api"}


async def test_a_turn_that_is_cancelled_while_it_waits_has_ended_once(stack: Stack) -> None:
    api = stack.start_api(LOG_FORMAT="json")
    async with Client(api.url) as client:
        session, request_id = new_session(), "followed-3"
        body = {"message": "hello", "session_id": session, "model": "mock"}
        await client.http.post("/chat", json=body, headers={"X-Request-ID": request_id})
        for _ in range(2):
            assert (await client.cancel(session)).json()["status"] == "done"
    ended = [line for line in lines_of(api) if line.get("action") == "turn.ended"]
    assert [(line["session_id"], line["request_id"], line["finish_reason"]) for line in ended] == [
        (session, request_id, "cancelled")
    ]
