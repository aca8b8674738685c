"""The log collector with a real engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.engine import docker, unique
from tests.logs.collecting import Collectors, has, numbers, records
from tests.redis_server import RedisServer
from tests.unit.logs.collector.kept import eventually

pytestmark = pytest.mark.anyio

LABEL = "hopstream.test"
RunContainer = Callable[..., str]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def run_container(image: str) -> Iterator[RunContainer]:
    """A shell script in a container that has a label of this test's own."""
    started: list[str] = []
    label = unique("label")

    def run(script: str, *options: str) -> str:
        labels = ("--label", f"{LABEL}={label}", "--label", "com.docker.compose.service=talker")
        name = unique("talker")
        started.append(name)
        docker("run", "--detach", "--name", name, *labels, *options, "--entrypoint", "sh", image, "-c", script)
        return label

    yield run
    for name in started:
        docker("rm", "--force", name)


@pytest.fixture
def collectors(tmp_path: Path, redis: RedisServer) -> Iterator[Collectors]:
    host = docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    collectors = Collectors(tmp_path, redis, LOG_COLLECT="docker", LOG_DOCKER_HOST=host)
    yield collectors
    collectors.stop()


async def test_stops_starts_and_kills_lose_and_double_nothing(
    run_container: RunContainer, collectors: Collectors, redis: RedisServer
) -> None:
    """Each run of the container says where it goes on by what it has said: by a file that stays with it."""
    script = (
        "n=0; [ -f /tmp/n ] && read n < /tmp/n;"
        "for i in $(seq 1 2000); do n=$((n+1)); echo line $n;"
        " n=$((n+1)); echo line $n >&2; done; echo $n > /tmp/n; sleep 1000"
    )
    label = run_container(script)
    name = docker("ps", "--filter", f"label={LABEL}={label}", "--format", "{{.Names}}").strip()
    collector = collectors.start(LOG_DOCKER_CONTAINERS=f"{LABEL}={label}")
    await has(redis, 4000)
    docker("restart", "--time", "1", name)
    await has(redis, 8000)
    collector.kill()
    docker("restart", "--time", "1", name)
    collectors.start()
    await has(redis, 12_000)
    assert sorted(numbers(redis)) == list(range(1, 12_001))
    assert {record["service"] for record in records(redis)} == {"talker"}
    ends = [record for record in records(redis) if record["fields"].get("event") == "die"]
    assert [end["fields"]["exit_code"] for end in ends] == [137, 137]


async def test_terminals_long_lines_and_one_that_lives_shortly(
    run_container: RunContainer, collectors: Collectors, redis: RedisServer
) -> None:
    label = run_container("printf '%040000d\\n' 5; echo line 1; sleep 1000", "--tty")
    collectors.start(LOG_DOCKER_CONTAINERS=f"{LABEL}={label}")
    await has(redis, 1)
    run_container("printf '%040000d\\n' 6 >&2; printf 'line 2'; exit 3")
    await has(redis, 2)
    await eventually(lambda: [r for r in records(redis) if r["fields"].get("exit_code") == 3])
    messages = {record["message"] for record in records(redis)}
    assert {f"{5:040000d}", f"{6:040000d}", "line 1", "line 2"} <= messages
