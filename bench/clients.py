"""One client for each way to an answer. All read the same scripted answer and keep the same books of it."""

import codecs
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urljoin

import aiohttp
import msgspec

from bench.tokens import Ledger
from core.providers.sse import EventReader

MESSAGE = "Tell me about tea."


class Reading:
    """What one client got of one answer."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.asked_ns = time.monotonic_ns()
        self.first_text_ns: int | None = None
        self.complete = False
        """Whether the answer came to its proper end."""
        self.error = ""

    @property
    def first_token_ms(self) -> float | None:
        """From the request to the first text."""
        return None if self.first_text_ns is None else (self.first_text_ns - self.asked_ns) / 1e6

    def text(self, text: str, at_ns: int) -> None:
        if text and self.first_text_ns is None:
            self.first_text_ns = at_ns
        self.ledger.read(text, at_ns)


Client = Callable[[aiohttp.ClientSession, str, str, Reading], Awaitable[None]]
"""Asks the server at a URL for the answer of a model, and reads it to its end."""


async def read_mock(http: aiohttp.ClientSession, url: str, model: str, reading: Reading) -> None:
    """The mock upstream by itself: what there is to compare with."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": MESSAGE}]}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for data, at_ns in _events(response):
            if data == b"[DONE]":
                reading.complete = True
                continue
            for choice in msgspec.json.decode(data)["choices"]:
                reading.text(choice["delta"].get("content") or "", at_ns)


async def read_direct(http: aiohttp.ClientSession, url: str, model: str, reading: Reading) -> None:
    """Hopstream's direct mode, as plain text."""
    async with http.post(f"{url}/chat", json=_question(model, "direct")) as response:
        response.raise_for_status()
        decoder = codecs.getincrementaldecoder("utf-8")()
        async for raw in response.content.iter_any():
            reading.text(decoder.decode(raw), time.monotonic_ns())
        reading.complete = True


async def read_queue(http: aiohttp.ClientSession, url: str, model: str, reading: Reading) -> None:
    """Hopstream's queue mode: POST /chat, then GET /stream."""
    async with http.post(f"{url}/chat", json=_question(model, "queue")) as response:
        response.raise_for_status()
        accepted = await response.json()
    async with http.get(urljoin(url, accepted["stream_url"])) as response:
        response.raise_for_status()
        async for data, at_ns in _events(response):
            event = msgspec.json.decode(data)
            reading.text(event.get("chunk", ""), at_ns)
            match event.get("type"):
                case "done":
                    reading.complete = True
                case "error":
                    reading.error = f"{event['code']}: {event['message']}"


CLIENTS: dict[str, Client] = {"mock": read_mock, "direct": read_direct, "queue": read_queue}


def _question(model: str, mode: str) -> dict[str, str]:
    return {"message": MESSAGE, "mode": mode, "model": model}


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[bytes, int]]:
    """The data of each event, and when it arrived on the monotonic clock."""
    reader = EventReader()
    async for raw in response.content.iter_any():
        at_ns = time.monotonic_ns()
        for data in reader.feed(raw):
            yield data, at_ns
