"""Turns of a local model: in both modes, through the loss of engine and worker, from a queue of their own."""

import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import psutil
import pytest

from core.turns.attempts.compatibility import QUEUES_FORMAT
from core.version import FORMAT
from tests.client import Client, new_session, text_of, types_of
from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.local.folders import make_cycling
from tests.patience import PATIENCE_SECONDS
from tests.processes import Worker
from tests.stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("broker")]
CYCLE = "the quick,brown🙂日.fxjmpsvlazydg"
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
            assert "there is no model" in worker.output()
            session = new_session()
            await client.ask("tape", session_id=session)
            assert types_of(await client.read(session))[-1] == "error"
            assert "there is no model" in str(await client.turn(session))


async def test_the_turns_of_a_long_conversation_cost_what_its_first_does(site: Site) -> None:
    session = new_session()
    usages = []
    for number in range(1, 31):
        await site.client.ask(f"question {number}", session_id=session, options=SHORT)
        await site.client.read(session, turn=number)
        usages.append((await site.client.turn(session, number))["usage"])
    read = [usage["input_tokens"] - usage["cached_tokens"] for usage in usages]
    assert max(read[1:]) <= read[0] + 5  # what ends the answer before, which the first has not
    assert usages[-1]["input_tokens"] > 4 * 256  # LOCAL_CONTEXT


async def test_models_of_a_file(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    models.write_text(f'[[model]]\nname = "here"\nprovider = "local"\nmodel = "{model_folder}"\n')
    settings = {"MODELS_FILE": str(models), "LOCAL_DIR": str(tmp_path / "local"), **NOBODY_ELSE}
    with Stack(tmp_path, **settings) as stack:
        api = stack.start_api()
        stack.start_worker()
        async with Client(api.url) as client:
            assert await answer(client) == await answer(client, model="here") != ""


@pytest.mark.parametrize("lost", ["engine", "worker"])
async def test_an_answer_goes_on_without_a_character_lost_or_doubled(tmp_path: Path, lost: str) -> None:
    model = make_cycling(tmp_path / "cycle", CYCLE)
    settings = {"LOCAL_MODEL": str(model), "LOCAL_DIR": str(tmp_path), "LOCAL_CONTEXT": "256", **NOBODY_ELSE}
    with Stack(tmp_path, **settings) as stack:
        api = stack.start_api()
        workers = stack.start_workers(2)
        async with Client(api.url) as client:
            session = new_session()
            await client.ask("tape", session_id=session, options={"temperature": 0, "max_tokens": 100_000})
            async with client.stream(session) as stream:
                await stream.read_chars(300)
                if lost == "engine":
                    os.kill(Site(stack, client, workers).engine(), signal.SIGKILL)
                else:
                    (owner,) = [worker for worker in workers if session in worker.output()]
                    owner.kill()
                with anyio.fail_after(PATIENCE_SECONDS):
                    while (await client.turn(session))["attempt"] == 1:  # noqa: ASYNC110
                        await anyio.sleep(0.1)
                await stream.read_chars(len(text_of(stream.seen)) + 300)
                await client.cancel(session)
                events = await stream.rest()
            assert "restart" not in types_of(events)
            text = text_of(events)
            turn = await client.turn(session)
            assert (turn["status"], turn["text"]) == ("done", text)
            assert text == (CYCLE * len(text))[: len(text)]
            assert len(text) > 300


async def test_nobody_is_asked_while_another_may_misplace_it(site: Site) -> None:
    """A worker of an earlier release, which tells so with its heartbeats."""

    def set_format(number: int) -> None:
        with closing(sqlite3.connect(site.stack.home / "test.db")) as database, database:
            database.execute("UPDATE processes SET format = ? WHERE kind = 'worker'", (number,))

    async def until(status: int) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            while (response := await site.client.ask("tape", options=SHORT)).status_code != status:
                pass
        told: dict[str, Any] = response.json()
        return told

    set_format(QUEUES_FORMAT - 1)
    try:
        assert (await until(503))["code"] == "upgrading"
    finally:
        set_format(FORMAT)
    await until(202)


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
