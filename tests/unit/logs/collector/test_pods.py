"""Pods by Kubernetes' API, of which a script plays the part."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from bench.processes import free_port
from core.background import Background
from logs.collector.kubernetes.pods import PodSource
from logs.collector.kubernetes.selection import is_followed
from logs.collector.source import CannotCollect
from tests.unit.logs.collector.kept import KeptLines, eventually, sending

pytestmark = pytest.mark.anyio


def pod(name: str, state: str = "running") -> dict[str, Any]:
    status = {"name": "nginx", "restartCount": 0, "state": {state: {}}}
    return {"metadata": {"name": name, "uid": f"uid of {name}"}, "status": {"containerStatuses": [status]}}


class FakeApi:
    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.lines: list[str] = []
        self.pods: list[dict[str, Any]] = [pod("web-1")]
        self.asked: list[dict[str, str]] = []
        self.listed = 0
        self.breaks = asyncio.Event()
        self._changed = asyncio.Event()

    def say(self, *lines: str) -> None:
        self.lines += lines
        self._changed.set()
        self._changed = asyncio.Event()

    def break_off(self) -> None:
        self.breaks.set()
        self.say()

    async def list_pods(self, request: web.Request) -> web.Response:
        """A pod on each page."""
        position = int(request.query.get("continue", 0))
        self.listed += position == 0
        more = {"continue": str(position + 1)} if position + 1 < len(self.pods) else {}
        return web.json_response({"items": self.pods[position : position + 1], "metadata": more})

    async def log(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({**request.query, "pod": request.match_info["pod"]})
        since = datetime.fromisoformat(request.query["sinceTime"])
        response = web.StreamResponse()
        await response.prepare(request)
        position = 0
        while not self.breaks.is_set():
            changed, new = self._changed, self.lines[position:]
            for line in new:
                if datetime.fromisoformat(line.partition(" ")[0]) >= since:
                    await response.write(line.encode() + b"\n")
            position += len(new)
            await changed.wait()
        self.breaks.clear()
        return response


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/default/pods", api.list_pods)
    app.router.add_get("/api/v1/namespaces/default/pods/{pod}/log", api.log)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(api.url.rpartition(":")[2])).start()
    yield api
    await runner.cleanup()


@asynccontextmanager
async def collecting(api: FakeApi, kept: KeptLines, places: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    background = Background()
    async with sending(kept) as sender:
        source = PodSource(api.url, sender, places or {}, left_out=["skip*"], hours=1e6, lines_per_second=10_000)
        background.run("pods", source.run())
        try:
            yield
        finally:
            await background.stop()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logs.collector.kubernetes.pods.LIST_SECONDS", 0.02)


async def test_a_pod_is_followed_over_breaks_and_restarts(api: FakeApi) -> None:
    """Its two streams are one there, so that times go back by a little."""
    kept = KeptLines()
    api.say("2026-11-29T12:00:00.105Z line 1", "2026-11-29T12:00:00.1Z line 2")
    async with collecting(api, kept):
        await eventually(lambda: kept.numbers() == [1, 2])
        api.break_off()
        api.say("2026-11-29T12:00:00.095Z line 3")
        await eventually(lambda: kept.numbers() == [1, 2, 3])
    api.say("2026-11-29T12:00:00.5Z line 4", "2026-11-29T12:00:01.5Z line 5")
    async with collecting(api, kept, kept.places):
        await eventually(lambda: kept.numbers() == [1, 2, 3, 4, 5])
    assert kept.lines[0][1]["service"] == "nginx"
    assert kept.lines[0][1]["fields"] == {"namespace": "default", "pod": "web-1", "container": "nginx"}
    assert api.asked[-1]["sinceTime"] == "2026-11-29T11:59:59Z"


async def test_the_last_words_of_a_container_whose_stream_broke_off(api: FakeApi) -> None:
    kept = KeptLines()
    api.say("2026-11-29T12:00:00.1Z line 1")
    async with collecting(api, kept):
        await eventually(lambda: kept.numbers() == [1])
        api.pods = [pod("web-1", "terminated")]
        api.lines.append("2026-11-29T12:00:00.2Z line 2")
        api.break_off()
        await eventually(lambda: kept.numbers() == [1, 2])
        api.break_off()
        listed = api.listed
        await eventually(lambda: api.listed > listed + 2)
    assert len(api.asked) == 2  # and not again


async def test_all_pages_of_pods_but_those_that_are_left_out(api: FakeApi) -> None:
    kept = KeptLines()
    api.pods = [pod("web-1"), pod("skipped"), pod("web-2")]
    api.say("2026-11-29T12:00:00.1Z line 1")
    async with collecting(api, kept):
        await eventually(lambda: kept.numbers() == [1, 1])
    assert {asked["pod"] for asked in api.asked} == {"web-1", "web-2"}


@pytest.mark.parametrize(
    ("left_out", "is_so"),
    [("logs/*", False), ("gate*", False), ("gateway-?", False), ("shop/*", True), ("gateway", True)],
)
def test_pods_are_left_out_by_name_or_namespace(left_out: str, is_so: bool) -> None:
    assert is_followed("logs", "gateway-0", [left_out]) is is_so


def test_outside_of_a_cluster_one_must_say_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(CannotCollect, match="LOG_KUBERNETES_API"):
        PodSource(None, None, {}, left_out=[], hours=1, lines_per_second=1)  # type: ignore[arg-type]
