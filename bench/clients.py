"""One client for each way to an answer. All read the same scripted answer and keep the same books of it."""

import codecs
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from bench.http_client import HttpClient, OnBody
from bench.tokens import Ledger
from core.providers.http.answer import SseSplitter

MESSAGE = "Tell me about tea."


class Question(NamedTuple):
    model: str
    session_id: str


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


Client = Callable[[HttpClient, Question, Reading], Awaitable[None]]
"""Asks a server for an answer, and reads it to its end."""


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: Any = None


class _Event(msgspec.Struct):
    chunk: str = ""
    type: str = ""
    code: str = ""
    message: str = ""


class _Accepted(msgspec.Struct):
    stream_url: str


_chunk = msgspec.json.Decoder(_Chunk).decode
_event = msgspec.json.Decoder(_Event).decode


async def read_openai(http: HttpClient, question: Question, reading: Reading) -> None:
    """Chat completions: the mock upstream by itself, or a proxy before it."""

    def on_data(data: bytes, at_ns: int) -> None:
        if data == b"[DONE]":
            reading.complete = not reading.error
            return
        chunk = _chunk(data)
        if chunk.error:
            reading.error = str(chunk.error)
        for choice in chunk.choices:
            reading.text(choice.delta.content or "", at_ns)

    messages = [{"role": "user", "content": MESSAGE}]
    body = {"model": question.model, "stream": True, "messages": messages}
    await http.post("/v1/chat/completions", body, _events(on_data), {"authorization": "Bearer bench"})


async def read_direct(http: HttpClient, question: Question, reading: Reading) -> None:
    """Hopstream's direct mode, as plain text."""
    decoder = codecs.getincrementaldecoder("utf-8")()

    def on_body(raw: bytes, at_ns: int) -> None:
        reading.text(decoder.decode(raw), at_ns)

    await http.post("/chat", _chat(question, "direct"), on_body)
    reading.complete = True


async def read_queue(http: HttpClient, question: Question, reading: Reading) -> None:
    """Hopstream's queue mode: POST /chat, then GET /stream."""
    accepted = await post_queue(http, question)
    await watch(http, accepted, reading)


async def post_queue(http: HttpClient, question: Question) -> str:
    """Have a turn queued; the path of its stream."""
    answer: list[bytes] = []
    await http.post("/chat", _chat(question, "queue"), lambda raw, _: answer.append(raw))
    url = urlsplit(msgspec.json.decode(b"".join(answer), type=_Accepted).stream_url)
    return f"{url.path}?{url.query}"


async def watch(http: HttpClient, path: str, reading: Reading) -> None:
    """Read a stream of Hopstream's events to its end."""

    def on_data(data: bytes, at_ns: int) -> None:
        event = _event(data)
        if event.chunk:
            reading.text(event.chunk, at_ns)
        elif event.type == "done":
            reading.complete = True
        elif event.type == "error":
            reading.error = f"{event.code}: {event.message}"

    await http.get(path, _events(on_data))


def _chat(question: Question, mode: str) -> dict[str, str]:
    return {"message": MESSAGE, "mode": mode, "model": question.model, "session_id": question.session_id}


def _events(on_data: OnBody) -> OnBody:
    """Cuts a body into events."""
    reader = SseSplitter()

    def on_body(raw: bytes, at_ns: int) -> None:
        for data, _ in reader.feed(raw):
            on_data(data, at_ns)

    return on_body
