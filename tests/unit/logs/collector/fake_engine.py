"""A Docker engine on a socket that does what the script of a test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

NOW = 1_795_953_600_000_000_000
"""2026-11-29T12:00:00Z, in ns."""
SECOND = 1_000_000_000


class Container:
    def __init__(
        self, number: int, name: str, *, project: str = "shop", tty: bool = False, labels: dict[str, str] | None = None
    ) -> None:
        self.id = f"{number:064x}"
        self.name = name
        self.tty = tty
        self.labels = {"com.docker.compose.project": project, "com.docker.compose.service": name} | (labels or {})
        self.running = True
        self.log_driver = "json-file"
        self.log: list[tuple[int, int, bytes]] = []
        """Stream, ns, text with its line end."""
        self.changed = asyncio.Event()

    def say(self, ns: int, *texts: str, stream: int = 1, end: str = "\n") -> None:
        """Each 1 ms after the one before."""
        for number, text in enumerate(texts):
            self.log.append((stream, ns + number * 1_000_000, (text + end).encode()))
        self.wake()

    def stop(self) -> None:
        self.running = False
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class FakeEngine:
    def __init__(self, socket: Path) -> None:
        self.host = f"unix://{socket}"
        self._socket = socket
        self.containers: dict[str, Container] = {}
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.version = "1.43"
        self.podman = False
        """Times in whole seconds."""
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        for prefix in ("", "/{v}"):
            app.router.add_get(f"{prefix}/version", self._version)
        app.router.add_get("/{v}/containers/json", self._list)
        app.router.add_get("/{v}/containers/{id}/json", self._inspect)
        app.router.add_get("/{v}/containers/{id}/logs", self._logs)
        app.router.add_get("/{v}/events", self._events)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._socket)).start()

    async def stop(self) -> None:
        """As a crash: every stream breaks."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def add(self, container: Container) -> Container:
        self.containers[container.id] = container
        return container

    def tell(self, action: str, container: Container, ns: int = NOW, **attributes: str) -> None:
        actor = {"ID": container.id, "Attributes": {"name": container.name} | container.labels | attributes}
        self.events.append({"Type": "container", "Action": action, "Actor": actor, "timeNano": ns})
        self._changed.set()
        self._changed = asyncio.Event()

    def follows(self, container: Container) -> list[dict[str, str]]:
        return [query for path, query in self.asked if path.endswith(f"/{container.id}/logs")]

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": self.version, "MinAPIVersion": "1.24"})

    async def _list(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response(
            [
                {"Id": c.id, "Names": ["/" + c.name], "Labels": c.labels, "State": "running" if c.running else "exited"}
                for c in self.containers.values()
            ]
        )

    async def _inspect(self, request: web.Request) -> web.Response:
        self._note(request)
        c = self._find(request)
        config = {"Tty": c.tty, "Labels": c.labels, "Env": ["SECRET=1"]}
        return web.json_response(
            {"Id": c.id, "Name": "/" + c.name, "State": {"Running": c.running}, "Config": config, "HostConfig": {}}
        )

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        c = self._find(request)
        if c.log_driver == "none":
            raise web.HTTPNotImplemented
        seconds, _, fraction = request.query["since"].partition(".")
        since = int(seconds) * SECOND + int(fraction.ljust(9, "0"))
        kind = "raw-stream" if c.tty else "multiplexed-stream"
        response = web.StreamResponse(headers={"Content-Type": f"application/vnd.docker.{kind}"})
        await response.prepare(request)
        position = 0
        while True:
            changed = c.changed
            lines = c.log[position:]
            for stream, ns, text in lines:
                if self._rounded(ns) >= (since // SECOND * SECOND if self.podman else since):
                    await response.write(self._frames(c, stream, ns, text))
            position += len(lines)
            if not c.running or request.query.get("follow") != "1":
                return response
            await changed.wait()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        response = web.StreamResponse()
        await response.prepare(request)
        since = int(request.query["since"].replace(".", ""))
        position = 0
        while True:
            changed = self._changed
            events = self.events[position:]
            for event in events:
                if event["timeNano"] >= since:
                    await response.write(json.dumps(event).encode() + b"\n")
            position += len(events)
            await changed.wait()

    def _frames(self, container: Container, stream: int, ns: int, text: bytes) -> bytes:
        stamp = f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09d}Z ".encode()
        if self.podman:
            stamp = stamp[:19] + b"Z "
        pieces = [text[start : start + 16384] for start in range(0, len(text), 16384)]
        if container.tty:
            return b"".join(stamp + piece for piece in pieces)
        payloads = [stamp + piece for piece in pieces]
        return b"".join(bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload for payload in payloads)

    def _rounded(self, ns: int) -> int:
        return ns // SECOND * SECOND if self.podman else ns

    def _note(self, request: web.Request) -> None:
        self.asked.append((request.path, dict(request.query)))

    def _find(self, request: web.Request) -> Container:
        for container in self.containers.values():
            if container.id.startswith(request.match_info["id"]):
                return container
        raise web.HTTPNotFound


@asynccontextmanager
async def fake_engine(folder: Path) -> AsyncIterator[FakeEngine]:
    engine = FakeEngine(folder / "docker.sock")
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
