"""HTTP as clients and proxies speak it (RFC 9110 to 9112): what they send differs, what they get does not."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Shared, assert_problem
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api

pytestmark = pytest.mark.anyio

AXIOS = "application/json, text/plain, */*"
SSE = "text/event-stream"
MODEL = "mock?tokens=5"


@pytest.fixture(scope="module")
def prefixed(shared: Shared) -> Iterator[Api]:
    api = shared.stack.start_api(ROOT_PATH="/hop/stream")
    yield api
    api.stop()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [(AXIOS, "application/json"), ("Text/Event-Stream", SSE), ("text/plain;q=0.5, text/event-stream", SSE)],
)
async def test_what_a_client_likes_best_is_what_it_gets(client: Client, accept: str, media_type: str) -> None:
    body = {"message": "hello", "model": MODEL}
    response = await client.http.post("/chat", json=body, headers={"Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == media_type


async def test_a_header_in_two_lines_is_one(client: Client) -> None:
    headers = [("Accept", "text/event-stream;q=0.5"), ("Accept", "text/plain")]
    response = await client.http.post("/chat", json={"message": "hello", "model": MODEL}, headers=headers)
    assert response.text == numbered(5)


async def test_nothing_is_stored_for_who_cannot_be_answered(client: Client) -> None:
    session = new_session()
    headers = {"Accept": "text/event-stream; wire=unknown"}
    body = {"message": "hello", "session_id": session}
    assert_problem(await client.http.post("/chat", json=body, headers=headers), 406, "not_acceptable")
    assert_problem(await client.http.get(f"/sessions/{session}"), 404, "not_found")


async def test_streams_are_not_to_be_compressed_on_their_way(client: Client) -> None:
    for body in ({"mode": "direct"}, {}):
        async with client.ask_streaming(accept=SSE, model=MODEL, **body) as stream:
            assert stream.response.headers["cache-control"] == "no-cache, no-transform"
            await stream.rest()


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "Last-Event-ID", "evs_last_event_id"])
async def test_resumed_as_polyfills_do(client: Client, name: str) -> None:
    session = new_session()
    await client.ask(session_id=session, model=MODEL)
    await client.until(session, "done")
    seen = await client.read(session)
    middle = seen[2]
    response = await client.http.get(f"/stream/{session}", params={name: middle.id, "r": "0.123"})
    events = [line for line in response.text.splitlines() if line.startswith("id: ")]
    assert events == [f"id: {event.id}" for event in seen[3:]]


@pytest.mark.parametrize("path", ["/health", "/ready", "/", "/docs", "/openapi.json", "/assets/app.js", "/sessions"])
async def test_head_is_get_without_its_body(client: Client, path: str) -> None:
    get, head = await client.http.get(path), await client.http.head(path)
    own = {"date", "x-request-id"}
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert {n: v for n, v in head.headers.items() if n not in own} == {
        n: v for n, v in get.headers.items() if n not in own
    }


async def test_head_of_a_stream_does_not_wait_for_its_end(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session, model=f"mock?tokens=5&hold_after=2&id={session}")
    head = await client.http.head(f"/stream/{session}")
    assert (head.status_code, head.headers["content-type"].partition(";")[0], head.content) == (200, SSE, b"")
    assert (await client.http.head(f"/stream/{new_session()}")).status_code == 404
    shared.stack.release(session)
    assert text_of(await client.read(session)) == numbered(5)


async def test_a_slash_at_the_end_changes_nothing(client: Client) -> None:
    session = new_session()
    body = {"message": "hello", "session_id": session, "model": MODEL}
    assert (await client.http.post("/chat/", json=body)).status_code == 202
    assert (await client.until(session, "done"))["text"] == numbered(5)
    for path in ("/health/", "/sessions/", f"/sessions/{session}/", f"/stream/{session}/", "/docs/"):
        assert (await client.http.get(path)).status_code == 200, path
    assert_problem(await client.http.get("/nowhere/"), 404, "not_found")


@pytest.mark.parametrize("strips", [True, False])
async def test_under_a_prefix(prefixed: Api, strips: bool) -> None:
    base_url = f"{prefixed.url}{'' if strips else '/hop/stream'}/"
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_SECONDS) as http:
        response = await http.post("chat", json={"message": "hello", "model": MODEL})
        accepted = response.json()
        assert accepted["stream_url"].startswith("/hop/stream/stream/")
        assert response.headers["location"].startswith("/hop/stream/stream/")
        for path in ("health", "", "assets/app.js", "sessions"):
            assert (await http.get(path)).status_code == 200, path
        streamed = await http.get(prefixed.url + accepted["stream_url"], timeout=PATIENCE_SECONDS)
        assert streamed.status_code == 200
        assert '"type":"done"' in streamed.text


@pytest.mark.parametrize(
    ("forwarded", "prefix"), [("/hop", "/hop"), ("/hop/", "/hop"), ("//evil.example", ""), ("hop", ""), ("/a b", "")]
)
async def test_a_proxy_tells_its_prefix(client: Client, forwarded: str, prefix: str) -> None:
    body = {"message": "hello", "model": MODEL}
    response = await client.http.post("/chat", json=body, headers={"X-Forwarded-Prefix": forwarded})
    assert response.headers["location"].startswith(f"{prefix}/stream/")
    assert response.json()["stream_url"].startswith(f"{prefix}/stream/")


@pytest.mark.parametrize("mode", ["queue", "direct"])
@pytest.mark.parametrize("half_closed", [False, True])
async def test_an_old_client_reads_to_the_end_of_the_connection(client: Client, mode: str, half_closed: bool) -> None:
    head, body = await asyncio.to_thread(
        _ask_by_socket, client, "1.0", {"mode": mode, "model": MODEL, "message": "hi"}, half_closed
    )
    assert "transfer-encoding" not in head
    assert body == numbered(5)


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_who_closes_their_side_is_answered(client: Client, mode: str) -> None:
    head, body = await asyncio.to_thread(
        _ask_by_socket, client, "1.1", {"mode": mode, "model": MODEL, "message": "hi"}, True
    )
    assert "200 ok" in head
    assert numbered(5).split()[-1] in body


def _ask_by_socket(client: Client, version: str, fields: dict[str, Any], half_closed: bool) -> tuple[str, str]:
    """Head, in lower case, and body; without what interim responses came before."""
    address = urlsplit(str(client.http.base_url))
    content = httpx.Request("POST", "http://x", json=fields).content
    head = f"POST /chat HTTP/{version}\r\nHost: x\r\nAccept: text/plain\r\nContent-Type: application/json\r\n"
    with socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS) as connection:
        connection.sendall(f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    answer = received.decode().replace("HTTP/1.1 102 Processing\r\n\r\n", "")
    head, _, body = answer.partition("\r\n\r\n")
    return head.lower(), body
