"""`docker run`, without Compose: one container is a whole Hopstream, beside a RabbitMQ."""

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest

from bench.processes import free_port
from tests.client import POLL_SECONDS, Client
from tests.docker.engine import docker, logs, state, unique
from tests.integration.conftest import eventually
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

Start = Callable[..., str]
"""With the image's words; returns the container's name."""


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """With a RabbitMQ that is found by the name `rabbitmq`, and a PostgreSQL by the name `postgres`."""
    name = unique("network")
    servers = [unique("rabbitmq"), unique("postgres")]
    docker("network", "create", name)
    try:
        docker("run", "--detach", "--name", servers[0], "--network", name, "--network-alias", "rabbitmq", "rabbitmq:4")
        docker(
            *("run", "--detach", "--name", servers[1], "--network", name, "--network-alias", "postgres"),
            *("--env", "POSTGRES_PASSWORD=test", "postgres:17"),
        )
        yield name
    finally:
        docker("rm", "--force", "--volumes", *servers)
        docker("network", "rm", name)


@pytest.fixture
def start(image: str, network: str, tmp_path: Path) -> Iterator[Start]:
    started = []

    def start(*words: str, port: int | None = None, **settings: str) -> str:
        env_file = tmp_path / ".env"
        lines = {"RABBIT_MQ": '"amqp://guest:guest@rabbitmq:5672/"', "OPENAI_API_KEY": "", **settings}
        env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        name = unique("app")
        published = ["--publish", f"127.0.0.1:{port}:8007"] if port else []
        docker(
            "run", "--detach", "--name", name, *published, "--network", network, "--env-file", env_file, image, *words
        )
        started.append(name)
        return name

    yield start
    if started:
        docker("rm", "--force", "--volumes", *started)


async def until_ready(url: str) -> None:
    async with httpx.AsyncClient() as http:
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    if (await http.get(f"{url}/ready")).is_success:
                        return
                await anyio.sleep(POLL_SECONDS)


def is_healthy(container: str) -> bool:
    health = state(container)["Health"]
    assert isinstance(health, dict)
    return bool(health["Status"] == "healthy")


async def answer_of(client: Client) -> str:
    """Through the queue."""
    answer = await client.http.post("/chat", json={"message": "Bonjour !"}, headers={"Accept": "text/plain"})
    assert answer.is_success
    turn = await client.until(answer.headers["X-Session-ID"], "done")
    assert answer.text == turn["text"]
    return answer.text


async def test_one_container_answers_and_ends_in_order(start: Start) -> None:
    port = free_port()
    container, url = start(port=port), f"http://127.0.0.1:{port}"
    await until_ready(url)
    async with Client(url) as client:
        for path in ("/", "/health", "/test"):
            assert (await client.http.get(path)).is_success
        assert await answer_of(client)
    await eventually(lambda: is_healthy(container))
    docker("stop", "--time", f"{PATIENCE_SECONDS:.0f}", container)
    assert state(container)["ExitCode"] == 128 + signal.SIGTERM
    assert "Traceback" not in logs(container)


async def test_a_second_one_with_conversations_of_its_own_takes_no_answer_away(start: Start) -> None:
    port = free_port()
    start(port=port)
    stranger = start()
    await until_ready(f"http://127.0.0.1:{port}")
    async with Client(f"http://127.0.0.1:{port}") as client:
        while "give the API and all its workers the same DATABASE_URL" not in logs(stranger):
            assert await answer_of(client)
    assert "no other can work for it" in logs(stranger)


async def test_a_worker_of_its_own(start: Start) -> None:
    shared = {"DATABASE_URL": "postgresql://postgres:test@postgres/postgres", "API_PORT": "8007"}
    port = free_port()
    api, worker = start("api", port=port, **shared), start("worker", **shared)
    await until_ready(f"http://127.0.0.1:{port}")
    async with Client(f"http://127.0.0.1:{port}") as client:
        assert await answer_of(client)
    for container in (api, worker):
        await eventually(lambda: is_healthy(container))  # noqa: B023 - is over before the next
