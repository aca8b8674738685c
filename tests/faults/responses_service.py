"""A service with OpenAI's responses in background mode, whose tokens can be counted: an answer is generated once,
whoever listens. `python -m tests.faults.responses_service` prints its address; GET /stats tells what it has generated.

A model's name asks for its answer, as in `tokens=60&rate=12`; `held` keeps its first event back until POST /release.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from bench.tokens import token
from tests.serving import serve


class Response:
    def __init__(self, model: str) -> None:
        self.id = f"resp_{secrets.token_hex(8)}"
        self.model = model
        self.events: list[dict[str, Any]] = []
        self.text = ""
        self.status = "in_progress"
        self._grown = asyncio.Event()
        self._add("response.created", response=self.document())

    def document(self) -> dict[str, Any]:
        content = [{"type": "output_text", "text": self.text}]
        usage = {"input_tokens": 1, "output_tokens": len(self.text.split())}
        output = [{"type": "message", "content": content}] if self.status == "completed" else []
        return {
            "id": self.id,
            "object": "response",
            "model": self.model,
            "status": self.status,
            "output": output,
            "usage": usage,
        }

    async def generate(self, tokens: int, rate: float) -> None:
        for number in range(tokens):
            await asyncio.sleep(1 / rate)
            if self.status != "in_progress":
                return
            self.text += (piece := token("numbered", number))
            self._add("response.output_text.delta", output_index=0, delta=piece)
        self.status = "completed"
        self._add("response.completed", response=self.document())

    def cancel(self) -> None:
        self.status = "cancelled"
        self._add("response.cancelled", response=self.document())

    async def after(self, number: int) -> AsyncIterator[dict[str, Any]]:
        at = number + 1
        while True:
            while at < len(self.events):
                yield self.events[at]
                at += 1
            if self.status != "in_progress":
                return
            self._grown.clear()
            await self._grown.wait()

    def _add(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind, "sequence_number": len(self.events), **fields})
        self._grown.set()


class Service:
    def __init__(self) -> None:
        self._responses: dict[str, Response] = {}
        self._generating: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self._fetched = 0
        self._cancelled = 0

    async def run(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/responses", self._create)
        app.router.add_get("/v1/responses/{id}", self._fetch)
        app.router.add_post("/v1/responses/{id}/cancel", self._cancel)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/release", self._release)
        await serve(app)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = parse_qs(body["model"], keep_blank_values=True)
        response = Response(body["model"])
        self._responses[response.id] = response
        generating = response.generate(int(asked["tokens"][0]), float(asked["rate"][0]))
        task = asyncio.create_task(generating)
        self._generating.add(task)
        task.add_done_callback(self._generating.discard)
        if "held" in asked:
            await self._released.wait()
        return await self._stream(request, response, -1)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        response = self._responses.get(request.match_info["id"])
        if response is None:
            return web.json_response({"error": {"message": "There is no such response."}}, status=404)
        self._fetched += 1
        if request.query.get("stream") != "true":
            return web.json_response(response.document())
        return await self._stream(request, response, int(request.query.get("starting_after", -1)))

    async def _stream(self, request: web.Request, response: Response, after: int) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async for event in response.after(after):
            await stream.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        return stream

    async def _cancel(self, request: web.Request) -> web.Response:
        self._cancelled += 1
        response = self._responses[request.match_info["id"]]
        response.cancel()
        return web.json_response(response.document())

    async def _release(self, _: web.Request) -> web.Response:
        self._released.set()
        return web.json_response({})

    async def _stats(self, _: web.Request) -> web.Response:
        tokens = sum(len(response.text.split()) for response in self._responses.values())
        told = {"requests": len(self._responses), "tokens": tokens}
        return web.json_response({**told, "fetched": self._fetched, "cancelled": self._cancelled})


if __name__ == "__main__":
    asyncio.run(Service().run())
