"""The mock upstream as a server: connections, bad requests, and what it tells of itself."""

import asyncio
import json
import signal
import sys

import httpx
import pytest
from openai import AsyncOpenAI

from bench.http_server import MAX_REQUEST_BYTES
from bench.mock_upstream import MockUpstream
from tests.patience import PATIENCE_SECONDS
from tests.unit.mock_upstream.conftest import MESSAGES, Raw, chunks_of, numbered, question

pytestmark = pytest.mark.anyio


async def test_one_connection_serves_many_requests(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        for _ in range(3):
            raw.post("mock?tokens=2", stream=True)
            assert (await raw.read_to(b"\r\n0\r\n\r\n")).count(b"t00000") == 2


async def test_pipelined_requests_are_answered_in_order(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        for count in range(1, 30):
            raw.post(f"mock?tokens={count}&ttft=0.001", stream=True)
        for count in range(1, 30):
            assert (await raw.read_to(b"\r\n0\r\n\r\n")).count(b'"content":"t0') == count


async def test_an_http_1_0_client_gets_no_chunks(mock: MockUpstream) -> None:
    async with Raw(mock) as raw:
        raw.post("mock?tokens=2", version="1.0", stream=True)
        head, _, body = (await raw.read_all()).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_body_may_come_in_chunks_and_late(mock: MockUpstream) -> None:
    body = json.dumps(question("mock?tokens=2")).encode()
    async with Raw(mock) as raw:
        raw.writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        assert await raw.read_to(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for byte in body:
            raw.writer.write(b"1\r\n%c\r\n" % byte)
        raw.writer.write(b"0\r\n\r\n")
        assert (await raw.read_to(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"what?\r\n\r\n", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (MAX_REQUEST_BYTES + 1) + b" HTTP/1.1\r\n\r\n", b"413"),
    ],
)
async def test_what_is_no_request_is_refused(mock: MockUpstream, request_bytes: bytes, status: bytes) -> None:
    async with Raw(mock) as raw:
        raw.writer.write(request_bytes)
        assert (await raw.read_to(b"\r\n")).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_unknown_routes_are_errors_in_openais_words(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await http.request(method, path)

    assert response.status_code == status
    assert path in response.json()["error"]["message"]


async def test_it_lists_its_model_and_its_health(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    assert [model.id async for model in client.models.list()] == ["mock"]
    assert (await http.get("/health")).json() == {"status": "ok"}


async def test_it_remembers_the_last_request_but_not_the_key(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    await chunks_of(client, "mock?tokens=2", temperature=0.5)
    response = await http.get("/stats")

    stats = response.json()
    assert stats["requests"] == 1
    assert stats["tokens"] == 2
    assert stats["last_request"] == {
        "model": "mock?tokens=2",
        "messages": MESSAGES,
        "options": {"temperature": 0.5, "stream": True},
        "authorized": True,
    }
    assert "secret-key" not in response.text


async def test_the_command_prints_its_url_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.mock_upstream", "--port", "0", "--tokens", "3", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            url = (await process.stdout.readline()).decode().strip()
            response = await http.post(f"{url}/v1/chat/completions", json=question("anything"))
            assert response.json()["choices"][0]["message"]["content"] == numbered(3)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
