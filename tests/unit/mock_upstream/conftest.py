"""A mock upstream of each test's own, and clients of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from bench.mock_upstream import MockUpstream
from tests.patience import PATIENCE_SECONDS

QUIET = 0.1  # seconds, twice in a row, after which what has not come is not coming
MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def mock() -> AsyncIterator[MockUpstream]:
    async with MockUpstream(tokens=10, rate=0, ttft=0) as mock:
        yield mock


@pytest.fixture
async def client(mock: MockUpstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="secret-key", base_url=mock.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
async def http(mock: MockUpstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=mock.url, timeout=PATIENCE_SECONDS) as http:
        yield http


def numbered(count: int) -> str:
    return "".join(f"t{index:06d} " for index in range(count))


def question(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, **more}


async def chunks_of(client: AsyncOpenAI, model: str, **more: Any) -> list[ChatCompletionChunk]:
    chunks: list[ChatCompletionChunk] = []
    await collect(client, model, chunks, **more)
    return chunks


async def collect(client: AsyncOpenAI, model: str, chunks: list[ChatCompletionChunk], **more: Any) -> None:
    """Keeps what came before an error, too."""
    stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more)
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finish_of(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the server's counters are plain numbers
            await asyncio.sleep(0.005)


class Raw:
    """A client that sees every byte."""

    def __init__(self, mock: MockUpstream) -> None:
        self._port = int(mock.url.rpartition(":")[2])

    async def __aenter__(self) -> "Raw":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    def post(self, model: str, *, version: str = "1.1", **more: Any) -> None:
        body = json.dumps(question(model, **more)).encode()
        head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: mock\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def read_to(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(end)

    async def read_all_to(self, end: bytes) -> bytes:
        """Like `read_to`, for more than a reader's buffer holds."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not received.endswith(end):
                received += await self.reader.read(1 << 20)
        return bytes(received)

    async def read_until_quiet(self) -> bytes:
        """A machine that stops for a moment stops the server as well: after one silence, what is under way comes."""
        received, silences = b"", 0
        while silences < 2:
            try:
                part = await asyncio.wait_for(self.reader.read(65536), QUIET)
            except TimeoutError:
                silences += 1
            else:
                if not part:
                    break
                received, silences = received + part, 0
        return received

    async def read_all(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()
