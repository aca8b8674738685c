"""./run.sh with containers: it starts, it scales, and an answer outlives the containers that make and show it.

The model is the mock upstream in a container of the same image."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.processes import free_port
from tests.client import Client, new_session, numbered, text_of, types_of
from tests.docker.engine import docker, run, unique
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

HELD, ALL = 5, 30
OVERRIDE = """\
services:
  api:
    image: {image}
    build:
      network: host
  worker:
    image: {image}
  model:
    image: {image}
    pull_policy: never
    user: root # who alone may read what pytest has laid down
    command: [python, -m, bench.mock_upstream, --host, 0.0.0.0, --rate, "0", --ttft, "0"]
    volumes: ["{checkout}/bench:/app/bench:ro"]
    ports: ["127.0.0.1:{model_port}:9000"]
    depends_on: [api]
"""


class Composed:
    def __init__(self, checkout: Path, image: str) -> None:
        self.project = unique("compose")
        self._checkout = checkout
        self._model_port = free_port()
        self._api_port = free_port()
        self._environment = {
            "MODE": "docker",
            "COMPOSE_PROJECT_NAME": self.project,
            "API_PORT": str(self._api_port),
            "OPENAI_API_KEY": "test-key",
            "OPENAI_BASE_URL": "http://model:9000/v1",
            "OPENAI_MODEL": "mock",
        }
        override = OVERRIDE.format(image=image, checkout=checkout, model_port=self._model_port)
        (checkout / "deploy" / "compose.override.yaml").write_text(override)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._api_port}"

    def run_sh(self, *words: str) -> str:
        return run("./run.sh", *words, cwd=self._checkout, **self._environment)

    def container(self, service: str, number: int = 1) -> str:
        return f"{self.project}-{service}-{number}"

    def release(self, held: str) -> None:
        url = f"http://127.0.0.1:{self._model_port}/release/{held}"
        httpx.post(url, timeout=PATIENCE_SECONDS).raise_for_status()

    def remove(self) -> None:
        self.run_sh("stop")
        docker("volume", "rm", *(f"{self.project}_{name}" for name in ("rabbitmq", "postgres")))


@pytest.fixture(scope="module")
def composed(checkout: Path, image: str) -> Iterator[Composed]:
    composed = Composed(checkout, image)
    try:
        assert composed.url.replace("127.0.0.1", "localhost") in composed.run_sh("start")
        yield composed
    finally:
        composed.remove()


def test_what_is_started_is_seen(composed: Composed) -> None:
    assert "Hopstream is running" in composed.run_sh("status")
    composed.run_sh("smoke")
    assert "worker" in composed.run_sh("logs", "worker")


async def test_an_answer_outlives_its_worker_s_container(composed: Composed) -> None:
    composed.run_sh("worker", "1")
    session = new_session()
    async with Client(composed.url) as client:
        await client.ask(session_id=session, model=f"mock?tokens={ALL}&hold_after={HELD}&id={session}")
        async with client.stream(session) as stream:
            assert await stream.read_chars(len(numbered(HELD))) == numbered(HELD)
            composed.run_sh("worker", "2")
            docker("kill", composed.container("worker"))
            composed.release(session)
            events = await stream.rest()
            assert "restart" in types_of(events)
            assert text_of(events) == numbered(ALL)
        assert text_of(await client.read(session)) == numbered(ALL)
    composed.run_sh("worker", "1")


async def test_an_answer_outlives_its_api_s_container(composed: Composed) -> None:
    session = new_session()
    async with Client(composed.url) as client:
        await client.ask(session_id=session, model=f"mock?tokens={ALL}&hold_after={HELD}&id={session}")
        async with client.stream(session) as stream:
            seen = await stream.read_chars(len(numbered(HELD)))
            docker("kill", composed.container("api"))
            last_id = stream.last_id
    composed.release(session)
    composed.run_sh("worker", "1")  # brings back what is down
    async with Client(composed.url) as client:
        events = await client.read(session, last_id)
        assert seen + text_of(events) == numbered(ALL)
        assert types_of(events)[-1] == "done"
