"""The collector as a process of its own, with a real Redis: kills and restarts lose and double nothing."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from core.telemetry.log_stream.redis_stream import POSITIONS
from tests.logs.collecting import Collectors, has, numbers
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.unit.logs.collector.fake_engine import NOW, Container, FakeEngine, fake_engine
from tests.unit.logs.collector.kept import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def collectors(tmp_path: Path, redis: RedisServer) -> Iterator[Collectors]:
    collectors = Collectors(tmp_path, redis)
    yield collectors
    collectors.stop()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with fake_engine(tmp_path) as engine:
        yield engine


def list_files(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


async def test_kills_of_the_collector_and_restarts_of_redis(
    collectors: Collectors, redis: RedisServer, engine: FakeEngine, tmp_path: Path
) -> None:
    web, path = engine.add(Container(1, "web")), tmp_path / "app.log"
    settings = {
        "LOG_COLLECT": "docker,files",
        "LOG_DOCKER_HOST": engine.host,
        "LOG_DOCKER_CONTAINERS": "*",
        "LOG_FILES": str(path),
        "LOG_COLLECT_HOURS": "1000000",
        "LOG_LINES_PER_SECOND": "1000000",
    }
    collector = collectors.start(**settings)
    written = 0
    for turn in range(6):
        for _ in range(20):
            written += 200
            web.say(NOW + written * 1_000_000, *(f"line {n}" for n in range(written - 200, written - 100)))
            with path.open("a") as file:
                file.writelines(f"line {n}\n" for n in range(written - 100, written))
            await anyio.lowlevel.checkpoint()
        if turn % 3 == 0:
            await has(redis, written - 3900)
            collector.kill()
            collector = collectors.start()
        elif turn % 3 == 1:
            redis.stop()
            redis.start()
        else:
            await has(redis, written // 2)
    await has(redis, written)
    collector.ask_to_stop()
    assert collector.wait() == 0
    assert sorted(numbers(redis)) == list(range(written))


async def test_a_redis_without_memory_gets_the_positions_again(
    collectors: Collectors, tmp_path: Path, redis: RedisServer
) -> None:
    path, silent = tmp_path / "app.log", tmp_path / "silent.log"
    path.write_text("line 1\n")
    silent.write_text("line 0\n")
    collector = collectors.start(LOG_COLLECT="files", LOG_FILES=f"{path},{silent}")
    await has(redis, 2)
    redis.stop()
    for kept in list_files(tmp_path, "appendonly*/*"):
        kept.unlink()
    redis.start()
    with path.open("a") as file:
        file.write("line 2\n")
    await has(redis, 1)
    with redis.client() as client:
        await eventually(lambda: client.hlen(POSITIONS) == 2)
    collector.kill()
    with path.open("a") as file:
        file.write("line 3\n")
    collectors.start()
    await has(redis, 2)
    assert numbers(redis) == [2, 3]


async def test_its_health(collectors: Collectors, redis: RedisServer, engine: FakeEngine) -> None:
    await engine.stop()
    collector = collectors.start(LOG_COLLECT="docker", LOG_DOCKER_HOST=engine.host, LOG_DOCKER_CONTAINERS="*")

    async def ask() -> tuple[int, Any]:
        return await anyio.to_thread.run_sync(collectors.health)  # which takes its time, and the engine is ours

    with anyio.fail_after(PATIENCE_SECONDS):
        while "the Docker engine is away" not in str(await ask()):
            pass
        await engine.start()
        while await ask() != (0, {"status": "ok", "problems": {}}):
            pass
    collector.kill()
    status, health = collectors.health()
    assert (status, health["status"]) == (1, "failing")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"LOG_COLLECT": "docker"}, "LOG_DOCKER_CONTAINERS: name the containers"),
        ({"LOG_COLLECT": "files"}, "LOG_FILES: name the files"),
        ({"LOG_COLLECT": "pods"}, "LOG_KUBERNETES_API"),
        ({"LOG_COLLECT": "everything"}, "LOG_COLLECT: Input should be 'docker'"),
    ],
)
async def test_settings_that_cannot_work_are_told(
    collectors: Collectors, engine: FakeEngine, settings: dict[str, str], complaint: str
) -> None:
    collector = collectors.start(**settings, LOG_DOCKER_HOST=engine.host)
    assert await anyio.to_thread.run_sync(collector.wait) == 1
    assert complaint in collector.output()
    assert "Traceback" not in collector.output()
