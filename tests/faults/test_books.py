"""The harness itself: an API that loses, doubles, swaps, forges or never ends must not pass."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from bench.tokens import awkward, token
from tests.faults import load
from tests.faults.books import Books
from tests.faults.load import Answer, Load

pytestmark = pytest.mark.anyio

ANSWER = Answer(tokens=20, rate=1000)
DONE = {"type": "done", "finish_reason": "stop"}

CALM_SEED = 3
"""Somebody who watches alone, to the end."""


class FakeApi:
    url = ""


Events = list[dict[str, Any]]
Forgery = Callable[[Events], Events]

FORGERIES: dict[str, tuple[Forgery, str]] = {
    "a lost token": (lambda good: good[:5] + good[6:], "1 lost"),
    "the last token lost": (lambda good: [*good[:-2], DONE], "1 lost"),
    "a doubled token": (lambda good: [*good[:5], *good[4:]], "1 doubled"),
    "two tokens swapped": (lambda good: [*good[:5], good[6], good[5], *good[7:]], "1 out of order"),
    "the start again, without a restart": (lambda good: good[:5] + good, "4 doubled"),
    "another text": (lambda good: [*good[:5], {"chunk": "?"}, *good[5:]], "1 times a text that is not the model's"),
    "an error": (lambda good: [*good[:5], {"type": "error", "code": "provider_error"}], "1 failed with provider_error"),
    "no end": (lambda good: good[:-1], "1 hung"),
    "two ends": (lambda good: [*good, DONE], "1 times a second terminal event"),
    "an end that nobody knows": (
        lambda good: [*good[:-1], DONE | {"finish_reason": "?"}],
        "1 turns accepted, but 0 ended",
    ),
}


def good_events() -> Events:
    chunks = [{"chunk": token("numbered", index) + awkward(index)} for index in range(ANSWER.tokens)]
    return [{"type": "start", "turn": 1, "attempt": 1, "model": "mock"}, *chunks, DONE]


async def books_of_one_turn(events: Events) -> Books:
    """One person asks an API that tells these events; a stream without a terminal one stays open, silent."""
    books = Books()
    is_over = asyncio.Event()
    server = FakeApi()
    people = Load([server], ANSWER, books, lambda *_: None, CALM_SEED)

    async def ask(_: web.Request) -> web.Response:
        people.finish()
        return web.json_response({}, status=202)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, event in enumerate(events):
            await response.write(f"id: 1.1.{number}\ndata: {json.dumps(event)}\n\n".encode())
        if events[-1].get("type") not in ("done", "error"):
            await is_over.wait()
        return response

    app = web.Application()
    app.add_routes([web.post("/chat", ask), web.get("/stream/{session}", stream)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await people.run(1)
    is_over.set()
    await runner.cleanup()
    return books


async def test_a_faultless_turn_is_no_violation() -> None:
    books = await books_of_one_turn(good_events())

    assert books.violations == []
    assert (books.accepted, books.completed, books.tokens) == (1, 1, ANSWER.tokens)


@pytest.mark.parametrize(("forge", "violation"), FORGERIES.values(), ids=FORGERIES)
async def test_a_fault_is_noticed(forge: Forgery, violation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if violation == "1 hung":
        monkeypatch.setattr(load, "HANG_SECONDS", 1.0)

    assert violation in (await books_of_one_turn(forge(good_events()))).violations


@pytest.mark.parametrize("limit", ["HANG_SECONDS", "TURN_SECONDS"])
async def test_a_turn_hangs_in_silence_or_by_taking_for_ever(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, limit, 1.0)

    assert (await books_of_one_turn(good_events()[:-1])).hung == 1
