"""A body that is too large or too slow is refused, and reading stops there."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request

from api.http.handlers import install_handlers
from api.http.requests import BodyLimitMiddleware
from api.http.sizes import most_body_bytes
from core.settings import Settings

pytestmark = pytest.mark.anyio

LIMIT_BYTES = 100


def app() -> FastAPI:
    app = FastAPI()
    install_handlers(app)
    app.add_middleware(BodyLimitMiddleware, limit=LIMIT_BYTES, seconds=0.2)

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    return app


async def post(body: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app()), base_url="http://test") as client:
        return await client.post("/", content=body)


async def test_a_body_of_the_limit_is_read() -> None:
    assert (await post(b"x" * LIMIT_BYTES)).json() == LIMIT_BYTES


@pytest.mark.parametrize("announced", [True, False])
async def test_a_larger_one_is_refused(announced: bool) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    response = await post(b"x" * (LIMIT_BYTES + 1) if announced else endless())
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


async def test_a_slow_one_is_refused_and_its_connection_closed() -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    response = await post(stalling())
    assert (response.status_code, response.json()["code"]) == (408, "too_slow")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("character", ["x", "\x00", "\u0436", "\U0001f600"])
def test_what_the_settings_allow_fits_however_json_writes_it(character: str) -> None:
    settings = Settings(_env_file=None, max_history_chars=400_000)
    history = [{"role": "user", "content": character * settings.max_history_chars}]
    messages = [*history, {"role": "user", "content": character * settings.max_message_chars}]
    assert len(json.dumps({"messages": messages}, ensure_ascii=True)) <= most_body_bytes(settings)
