"""A model's service that misbehaves by the name of the model asked for, and notes every request: the faults S01 to S16
of Failover Bench's catalogue (failoverbench/failoverbench, methodology 0.1), written anew, with shorter times."""

import asyncio
import json
from time import monotonic
from typing import Any, NamedTuple

from aiohttp import web

from tests.client import get
from tests.serving import serve

WORDS = [f"word{number:02d} " for number in range(60)]
ANSWER = "".join(WORDS)
USAGE = {"prompt_tokens": 21, "completion_tokens": 60, "total_tokens": 81}
RETRY_AFTER = 2
SLOW_SECONDS = 8.0
"""To the first token of S07. The exam has 20, and wants an answer after 15; here another one is asked after 2."""
OUTAGE_SECONDS = 6.0
"""Of S15; the exam has 60."""


class Seen(NamedTuple):
    model: str
    at: float
    role: str
    """Of the last message."""


class Wall:
    """As the tests see it: a process of its own, so that its connections are not theirs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def seen(self) -> list[Seen]:
        return [Seen(*each) for each in get(f"{self.url}/seen").json()]

    def attempts(self, model: str) -> list[float]:
        """When each came, in seconds after the first."""
        times = [seen.at for seen in self.seen() if seen.model == model]
        return [time - times[0] for time in times]


class Service:
    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._began: dict[str, float] = {}

    async def run(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/seen", self._tell)
        await serve(app)

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self._seen)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        model, now = body["model"], monotonic()
        self._seen.append(Seen(model, now, body["messages"][-1]["role"]))
        first = self._began.setdefault(model, now)
        is_first = first == now
        match model:
            case "s01" if is_first:
                return _error(429, "Slow down.", headers={"Retry-After": str(RETRY_AFTER)})
            case "s02":
                return _error(429, "Slow down.")
            case "s03" if is_first:
                return _error(500, "Something went wrong.")
            case "s04" | "s16":
                return _error(503, "Overloaded.")
            case "s05" if is_first:
                _abort(request)
                return web.Response()
            case "s06":
                await asyncio.sleep(3600)
            case "s12":
                return _error(400, "The prompt is too long.", code="context_length_exceeded")
            case "s13":
                return _error(400, "Against the policy.", code="content_policy_violation")
            case "s15" if now - first < OUTAGE_SECONDS:
                return _error(503, "Overloaded.")
            case "no-prefill" if body["messages"][-1]["role"] == "assistant":
                return _error(400, "This model does not support assistant message prefill.")
        return await _stream(request, model)


async def _stream(request: web.Request, model: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if model == "s07":
        await asyncio.sleep(SLOW_SECONDS)
    for number, word in enumerate(WORDS):
        if (model, number) in (("s08", 40), ("s14", 40)):
            _abort(request)
            return response
        if (model, number) == ("s09", 20):
            await asyncio.sleep(3600)
        if (model, number) == ("s10", 10):
            await response.write(b'data: {"choices": [{"delta": {"conte\n\n')
        await response.write(_event(model, {"delta": {"content": word}, "index": 0}))
        await asyncio.sleep(0.002)
    await response.write(_event(model, {"delta": {}, "index": 0, "finish_reason": "stop"}))
    await response.write(b"data: " + json.dumps({"model": model, "choices": [], "usage": USAGE}).encode() + b"\n\n")
    if model != "s11":
        await response.write(b"data: [DONE]\n\n")
    return response


def _event(model: str, choice: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": model, "choices": [choice]}).encode() + b"\n\n"


def _error(
    status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    error = {"message": message, "type": "error", "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def _abort(request: web.Request) -> None:
    transport = request.transport
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


if __name__ == "__main__":
    asyncio.run(Service().run())
