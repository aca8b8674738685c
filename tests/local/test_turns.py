"""Turns of a local model: in both modes, through the loss of engine and worker, from a queue of their own."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import psutil
import pytest

from tests.client import Client, new_session, text_of, types_of
from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.patience import PATIENCE_SECONDS
from tests.processes import Worker
from tests.stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("broker")]
LONG: dict[str, Any] = {"temperature": 0, "max_tokens": 1500}
SHORT: dict[str, Any] = {"temperature": 0, "max_tokens": 30}
NOBODY_ELSE = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}


class Site(NamedTuple):
    stack: Stack
    client: Client
    workers: list[Worker]

    def engine(self) -> int:
        """Its process id."""
        told = str(self.stack.home)
        (pid,) = [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if "core.providers.local.engine" in (command := process.info["cmdline"] or []) and told in command[-1]
        ]
        return int(pid)


@pytest.fixture(scope="module")
def stack(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("local-stack")
    settings = {"LOCAL_MODEL": str(model_folder), "LOCAL_DIR": str(home), "LOCAL_CONTEXT": "256", **NOBODY_ELSE}
    with Stack(home, **settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def workers(stack: Stack) -> list[Worker]:
    stack.start_api()
    return stack.start_workers(2)


@pytest.fixture
async def site(stack: Stack, workers: list[Worker]) -> AsyncIterator[Site]:
    api = next(process for process in stack.processes if hasattr(process, "url"))
    async with Client(api.url) as client:
        yield Site(stack, client, workers)


async def answer(client: Client, **asked: Any) -> str:
    session = new_session()
    asked = {"options": SHORT, **asked}
    response = await client.ask("tape", session_id=session, **asked)
    assert response.is_success, response.text
    text = text_of(await client.read(session))
    assert text == (await client.turn(session))["text"]
    return text


async def test_both_modes_answer_the_same(site: Site) -> None:
    queued = await answer(site.client)
    async with site.client.ask_streaming("tape", accept="text/event-stream", mode="direct", options=SHORT) as stream:
        direct = text_of(await stream.rest())
    assert queued == direct != ""


async def test_the_model_is_listed_and_others_are_not_there(site: Site) -> None:
    models = (await site.client.http.get("/models")).json()
    assert "tiny" in str(models)
    refused = await site.client.ask("tape", model="local/../../etc")
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_model")


async def test_health_tells_of_the_engine_before_anybody_asks(model_folder: Path, tmp_path: Path) -> None:
    settings = {"LOCAL_MODEL": str(model_folder), "LOCAL_DIR": str(tmp_path), **NOBODY_ELSE}
    with Stack(tmp_path, **settings) as stack:
        api = stack.start_api()
        stack.start_worker()
        async with Client(api.url) as client:
            states: list[str] = []
            with anyio.fail_after(PATIENCE_SECONDS):
                while "ready" not in states:
                    health = (await client.http.get("/health")).json()
                    states += (health.get("engines") or {}).values()
            assert set(states) <= {"loading", "ready"}


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    settings = {"LOCAL_MODEL": str(tmp_path / "gone"), "LOCAL_DIR": str(tmp_path), **NOBODY_ELSE}
    with Stack(tmp_path, **settings) as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        async with Client(api.url) as client:
            with anyio.fail_after(PATIENCE_SECONDS):
                while (await client.http.get("/health")).json().get("engines") != {"gone": "failed"}:
                    pass
            assert "there is no model at" in worker.output()
            session = new_session()
            await client.ask("tape", session_id=session)
            assert types_of(await client.read(session))[-1] == "error"
            assert "there is no model at" in str(await client.turn(session))


@pytest.mark.parametrize("lost", ["engine", "worker"])
async def test_an_answer_goes_on_without_a_restart(site: Site, lost: str) -> None:
    whole = await answer(site.client, options=LONG)
    session = new_session()
    await site.client.ask("tape", session_id=session, options=LONG)
    async with site.client.stream(session) as stream:
        before = await stream.read_chars(200)
        if lost == "engine":
            os.kill(site.engine(), signal.SIGKILL)
        else:
            (owner,) = [worker for worker in site.workers if session in worker.output()]
            owner.kill()
        events = await stream.rest()
    assert "restart" not in types_of(events)
    text = text_of(events)
    turn = await site.client.turn(session)
    assert (turn["status"], turn["text"]) == ("done", text)
    assert text.startswith(before)
    assert len(text) > len(whole) / 2


async def test_workers_that_do_not_serve_it_leave_its_jobs(model_folder: Path, tmp_path: Path) -> None:
    settings = {"LOCAL_MODEL": str(model_folder), "LOCAL_DIR": str(tmp_path), **NOBODY_ELSE}
    with Stack(tmp_path, **settings) as stack:
        api = stack.start_api()
        stack.start_worker(WORKER_QUEUES="default")
        async with Client(api.url) as client:
            session = new_session()
            asked = await client.ask("tape", session_id=session, options=SHORT)
            assert asked.json()["position"] == 1
            stack.start_worker(WORKER_QUEUES="local")
            with anyio.fail_after(PATIENCE_SECONDS):
                assert text_of(await client.read(session)) != ""
