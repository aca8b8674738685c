"""The proxy before the Docker socket: what it lets through, and what of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from logs.collector.docker.engine import Engine
from logs.collector.socket_proxy.requests import parse
from logs.collector.socket_proxy.server import SocketProxy
from tests.unit.logs.collector.fake_engine import NOW, Container, FakeEngine, fake_engine
from tests.unit.logs.collector.kept import KeptLines, eventually
from tests.unit.logs.collector.test_docker import collecting

pytestmark = pytest.mark.anyio

ALLOWED = ["/_ping", "/version", "/events", "/containers/json", "/containers/a-b_c.1/json", "/containers/a/logs"]
REFUSED = [
    *("/", "/info", "/images/json", "/containers", "/containers/", "/containers/a", "/containers/a/", "*"),
    *("/containers/a/archive", "/containers/a/export", "/containers/a/top", "/containers/a/attach/ws"),
    *("//containers/json", "/./version", "/containers/../version", "/containers/%61/json", "/containers/a%2Fjson"),
    *("/containers/a/../b/json", "/containers/.../json", "/containers/a/json/", "/containers/a/logs/../archive"),
    *("/v1.44/../version", "/v2.0/version", "/v1.44", "/v1.44//version", "/v1.4444/version", "/version%20"),
    *("/containers/json;x", "/Version", "http://other/version"),
]


class Served:
    def __init__(self, host: str, engine: FakeEngine) -> None:
        self.host = host
        self.engine = engine

    async def get(self, path: str) -> tuple[int, str]:
        connector = aiohttp.UnixConnector(self.host.removeprefix("unix://"))
        async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://d{path}") as response:
            return response.status, await response.text()

    async def raw(self, target: str, method: str = "GET") -> str:
        """The status of a request whose path no library has touched."""
        reader, writer = await asyncio.open_unix_connection(self.host.removeprefix("unix://"))
        writer.write(
            f"{method} {target} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.split()[1].decode()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with fake_engine(tmp_path) as fake:
        engine = Engine(fake.host)
        proxy = SocketProxy(engine, ["com.docker.compose.project=shop"])
        runner = web.AppRunner(proxy.app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "proxy.sock")).start()
        fake.add(Container(1, "web", labels={"traefik.basicauth": "secret"}))
        fake.add(Container(2, "hidden", project="other"))
        fake.add(Container(3, "quiet", labels={"hopstream.logs": "false"}))
        yield Served(f"unix://{tmp_path}/proxy.sock", fake)
        await runner.cleanup()
        await engine.close()


@pytest.mark.parametrize("prefix", ["", "/v1.24", "/v1.47"])
def test_six_paths_are_allowed(prefix: str) -> None:
    for path in ALLOWED:
        assert parse("GET", prefix + path) is not None
        for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get"):
            assert parse(method, prefix + path) is None


@pytest.mark.parametrize("path", REFUSED)
async def test_all_others_are_refused(path: str, served: Served) -> None:
    assert parse("GET", path) is None
    assert await served.raw(path) in ("403", "400")
    assert served.engine.asked == []


@pytest.mark.parametrize(
    "query", ["size=1", "follow=2", "since=-1", "since=1&since=2", "x", "stdout=1&details=1", "tail=1;2", "since="]
)
def test_other_parameters_are_refused(query: str) -> None:
    assert parse("GET", f"/containers/a/logs?{query}") is None


async def test_others_requests_do_not_reach_the_engine(served: Served) -> None:
    for method in ("POST", "DELETE", "HEAD"):
        assert await served.raw("/containers/json", method) == "403"
    assert served.engine.asked == []


async def test_a_container_that_was_not_chosen_is_as_unknown_as_one_that_is_not_there(served: Served) -> None:
    hidden, unknown = f"{2:064x}", f"{9:064x}"
    for rest in ("json", "logs?stdout=1&since=0"):
        answers = [await served.get(f"/v1.43/containers/{id_}/{rest}") for id_ in (hidden, unknown)]
        assert [(status, text.replace(hidden, unknown)) for status, text in answers] == [answers[1]] * 2
        assert answers[1][0] == 404
    assert (await served.get(f"/containers/{3:064x}/logs?stdout=1&since=0"))[0] == 404


async def test_nothing_secret_is_passed_on(served: Served) -> None:
    for path in ("/containers/json?all=1", f"/containers/{1:064x}/json"):
        status, text = await served.get(path)
        assert status == 200
        assert "web" in text
        for secret in ("SECRET", "secret", "hidden", "Env", "HostConfig"):
            assert secret not in text
    assert json.loads((await served.get("/version"))[1]) == {"ApiVersion": "1.43", "MinAPIVersion": "1.24"}


async def test_the_collector_works_behind_it(served: Served) -> None:
    """Over a restart of the engine, too."""
    fake, kept = served.engine, KeptLines()
    web_container = fake.containers[f"{1:064x}"]
    web_container.say(NOW, "line 1")
    served.engine.host = served.host
    async with collecting(fake, kept) as source:
        await eventually(lambda: kept.numbers() == [1])
        fake.tell("oom", fake.containers[f"{2:064x}"])
        fake.tell("oom", web_container)
        await eventually(lambda: len(kept.lines) == 2)
        await fake.stop()
        await eventually(lambda: source.problem)
        web_container.say(NOW + 10**9, "line 2")
        await fake.start()
        await eventually(lambda: kept.numbers() == [1, 2])
    assert {line["service"] for _, line in kept.lines} == {"web"}


async def test_an_engine_that_is_away(served: Served) -> None:
    await served.engine.stop()
    assert (await served.get("/_ping"))[0] == 502
    await served.engine.start()
    assert await served.get("/_ping") == (200, "OK")
