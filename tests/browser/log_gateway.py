"""A gateway of logs that says what a test wants it to: the wire as the page knows it, with nothing behind it."""

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bench.processes import free_port
from tests.browser.log_lines import Json, compiles, iso, matches, place
from tests.stack import ROOT

WEB = ROOT / "web"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
STATUS: Json = {
    "redis": "up",
    "since": "2026-11-29T20:00:00Z",
    "memory_bytes": 12_900_000,
    "most_memory_bytes": 268_435_456,
    "archiver": True,
}
HISTORY_SCAN = 2_000
"""Lines that one question looks at, however few match."""


class LogGateway:
    """`with LogGateway() as gateway:` serves it at `gateway.url`, on one port through `stop` and `start`."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.lines: list[Json] = []
        self.status = dict(STATUS)
        self.firing: list[Json] = []
        self.models: list[Json] = []
        self.asked: list[tuple[str, QueryParams]] = []
        self.trimmed = 0
        """So many of the oldest lines are in no stream any more."""
        self.archive: list[Json] = []
        """Those of them that the history still has."""
        self.history_held: threading.Event | None = None
        self._viewers: list[tuple[QueryParams, asyncio.Queue[str | None]]] = []
        self._listener = _listen(free_port())
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "LogGateway":
        self.start(self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.stop()

    def start(self, listener: socket.socket | None = None) -> None:
        listener = listener or _listen(int(self.url.rpartition(":")[2]))
        config = uvicorn.Config(self._app(), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        ready = threading.Event()

        def serve() -> None:
            async def run() -> None:
                self._loop = asyncio.get_running_loop()
                self._loop.call_soon(ready.set)
                await self._server.serve([listener])

            asyncio.run(run())
            listener.close()

        self._thread = threading.Thread(target=serve, name="log-gateway")
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """As when it is killed: streams end in the middle, and nobody answers."""
        self._do(lambda: self._put(None))
        self._server.should_exit = True
        self._thread.join()

    def say(self, message: str, *, channel: str = "logs", **members: Any) -> str:
        """A line, to whoever looks and into the history. Its id."""
        return self.say_all([{"message": message, "channel": channel, **members}])[-1]

    def say_all(self, records: list[Json]) -> list[str]:
        lines: list[Json] = []
        for record in records:
            now = time.time()
            line = {"time": iso(now), "service": "api", "channel": "logs", **record}
            lines.append({"id": f"{int(now * 1000)}-{len(self.lines) + len(lines) + 1}", **line})

        def put() -> None:
            self.lines += lines
            for query, queue in self._viewers:
                if frames := [_frame(line) for line in lines if matches(line, query)]:
                    queue.put_nowait("".join(frames))

        self._do(put)
        return [line["id"] for line in lines]

    def tell(self, event: str, data: Json) -> None:
        """To whoever looks."""
        self._do(lambda: self._put(_event(event, data)))

    def tell_status(self, **changes: Any) -> None:
        self.status |= changes
        self.tell("status", self._status())

    def tell_alerts(self, *firing: Json) -> None:
        self.firing = list(firing)
        self.tell("alerts", {"firing": self.firing})

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def asked_for(self, path: str) -> list[QueryParams]:
        return [query for asked, query in self.asked if asked == path]

    def _put(self, frame: str | None) -> None:
        for _, queue in self._viewers:
            queue.put_nowait(frame)

    def _do(self, act: Callable[[], Any]) -> None:
        async def run() -> None:
            act()

        if not self._thread.is_alive():  # lines come while the gateway is away, too
            act()
            return
        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _status(self) -> Json:
        return {**self.status, "lines": len(self.lines)}

    def _app(self) -> Starlette:
        routes = [
            Route("/", self._page),
            Route("/stream", self._guarded(self._stream)),
            Route("/history", self._guarded(self._history)),
            Route("/export", self._guarded(self._export)),
            Route("/totals", self._guarded(self._totals)),
            Route("/services", self._guarded(self._services)),
            Route("/token", self._guarded(self._token), methods=["POST"]),
            Mount("/assets", StaticFiles(directory=WEB / "assets")),
        ]
        return Starlette(routes=routes)

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            self.asked.append((request.url.path, request.query_params))
            given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query_params.get(
                "token"
            )
            if self.key and given not in (self.key, self._token_text):
                problem = {"title": "Unauthorized", "status": 401, "detail": "A key is needed."}
                return JSONResponse(problem, 401, media_type="application/problem+json")
            if (pattern := request.query_params.get("regex")) and not compiles(pattern):
                problem = {"title": "Bad pattern", "status": 422, "detail": "This is no regular expression: missing )"}
                return JSONResponse(problem, 422, media_type="application/problem+json")
            response: Response = await answer(request)
            return response

        return guarded

    async def _page(self, _: Request) -> Response:
        return FileResponse(WEB / "logs.html", headers={"Content-Security-Policy": POLICY})

    async def _stream(self, request: Request) -> Response:
        query = request.query_params
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        queue.put_nowait(
            "retry: 1000\n\n" + _event("status", self._status()) + _event("alerts", {"firing": self.firing})
        )
        if after := query.get("last_event_id"):
            for line in self.lines:
                if place(line["id"]) > place(after) and line["id"] not in self._trimmed_ids() and matches(line, query):
                    queue.put_nowait(_frame(line))
        viewer = (query, queue)

        async def frames() -> AsyncIterator[str]:
            self._viewers.append(viewer)
            try:
                if after and (gap := self._gap(after)):
                    yield _event("gap", {"lines": gap, "why": "Redis keeps no more"})
                while (frame := await queue.get()) is not None:
                    yield frame
            finally:
                self._viewers.remove(viewer)

        return StreamingResponse(frames(), media_type="text/event-stream")

    def _trimmed_ids(self) -> set[str]:
        return {line["id"] for line in self.lines[: self.trimmed]}

    def _gap(self, after: str) -> int:
        return sum(1 for line in self.lines[: self.trimmed] if place(line["id"]) > place(after))

    async def _history(self, request: Request) -> Response:
        if self.history_held:
            await asyncio.to_thread(self.history_held.wait)
        query = request.query_params
        limit = int(query.get("limit", 500))
        lines = self.archive + self.lines[self.trimmed :]
        if after := query.get("after"):
            newer = [line for line in lines if place(line["id"]) > place(after) and matches(line, query)]
            return JSONResponse(
                {"lines": newer[:limit], "more": len(newer) > limit, "before": None, "scanned_to": None}
            )
        older = [line for line in lines if "before" not in query or place(line["id"]) < place(query["before"])]
        scanned = older[-HISTORY_SCAN:]
        found = [line for line in scanned if matches(line, query)][-limit:]
        more = len(scanned) < len(older) or len(found) == limit
        before = (found[0] if len(found) == limit else scanned[0])["id"] if more else None
        scanned_to = scanned[0]["time"] if scanned and more else None
        return JSONResponse({"lines": found, "more": more, "before": before, "scanned_to": scanned_to})

    async def _export(self, request: Request) -> Response:
        found = [line for line in self.lines if matches(line, request.query_params)]
        if request.query_params["format"] == "jsonl":
            return Response("".join(json.dumps(line) + "\n" for line in found), media_type="application/x-ndjson")
        return Response("".join(f"{line['time']} {line['message']}\n" for line in found), media_type="text/plain")

    async def _totals(self, _: Request) -> Response:
        return JSONResponse({"models": self.models})

    async def _services(self, _: Request) -> Response:
        names = {line["service"] for line in self.lines}
        return JSONResponse(
            {"services": sorted(names), "channels": ["logs", "logs:errors", "logs:metrics", "logs:debug"]}
        )

    @property
    def _token_text(self) -> str:
        return f"token-{hashlib.sha256(self.key.encode()).hexdigest()}"

    async def _token(self, request: Request) -> Response:
        return JSONResponse({"token": self._token_text, "expires": iso(time.time() + 60)})


def _frame(line: Json) -> str:
    return f"id: {line['id']}\ndata: {json.dumps(line)}\n\n"


def _event(name: str, data: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()  # at once: the server would, a moment after it was said to have started
    return listener
