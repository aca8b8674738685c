"""Answers go on where they were: workers are killed, frozen and deployed, the provider's connections are cut; no viewer
sees a restart, every text is exact, and hardly a token is generated twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, NamedTuple

import httpx
import pytest

from bench.tokens import token
from core.store.liveness import SILENT_SECONDS
from tests.client import Client, get, new_session, numbered
from tests.parts import require
from tests.patience import PATIENCE_SECONDS, Slowness
from tests.processes import Api, Worker
from tests.proxy import Proxy
from tests.serving import serving
from tests.stack import Stack, broker_answers

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

TOKENS = 60
RATE = 8
PEOPLE = 15
"""For each of four faults: sixty answers of each kind of model."""
STRIKE_AT = 80
"""Characters that everybody has by then: ten tokens."""
MOST_TWICE = 0.05
"""Tokens that are generated once more, for each that is in an answer: on an idle machine."""
FREEZE_SECONDS = SILENT_SECONDS + 2
MODELS = """
[[model]]
name = "continues"
provider = "openai"
base_url = "{mock}/v1"
model = "mock?tokens={tokens}&rate={rate}&continues"
continues = true

[[model]]
name = "kept"
provider = "openai"
base_url = "{kept}/v1"
model = "tokens={tokens}&rate={rate}"
api = "responses"

[[model]]
name = "kept-held"
provider = "openai"
base_url = "{kept}/v1"
model = "tokens={tokens}&rate={rate}&held"
api = "responses"
"""


class Services(NamedTuple):
    """What the models of one worker are asked at."""

    mock: str
    kept: str
    models: Path

    def generated(self, model: str) -> int:
        tokens: int = get(f"{self.mock if model == 'continues' else self.kept}/stats").json()["tokens"]
        return tokens

    def told(self) -> dict[str, int]:
        """Of the service that keeps its responses."""
        told: dict[str, int] = get(f"{self.kept}/stats").json()
        return told

    def release(self) -> None:
        """What is held."""
        httpx.post(f"{self.kept}/release", timeout=PATIENCE_SECONDS).raise_for_status()


class Site(NamedTuple):
    stack: Stack
    api: Api
    services: Services
    proxies: list[Proxy]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require(broker_answers(), "no RabbitMQ answers")
    home = tmp_path_factory.mktemp("going-on")
    with (
        Stack(home, SHUTDOWN_GRACE="1") as stack,
        serving("tests.faults.responses_service") as kept,
        Proxy(stack.mock_url) as to_mock,
        Proxy(kept) as to_kept,
    ):
        models = home / "models.toml"
        services = Services(stack.mock_url, kept, models)
        models.write_text(MODELS.format(mock=to_mock.url, kept=to_kept.url, tokens=TOKENS, rate=RATE))
        yield Site(stack, stack.start_api(MODELS_FILE=str(models)), services, [to_mock, to_kept])


@pytest.fixture
def workers(site: Site) -> Iterator[list[Worker]]:
    with site.stack.as_before():
        yield site.stack.start_workers(2, concurrency=PEOPLE, MODELS_FILE=str(site.services.models))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    async with Client(site.api.url) as client:
        yield client


async def kill(site: Site, workers: list[Worker]) -> None:
    workers[0].kill()


async def freeze(site: Site, workers: list[Worker]) -> None:
    workers[0].signal(SIGSTOP)
    await asyncio.sleep(FREEZE_SECONDS)
    workers[0].signal(SIGCONT)


async def deploy(site: Site, workers: list[Worker]) -> None:
    await asyncio.to_thread(site.stack.start_workers, 1, concurrency=PEOPLE, MODELS_FILE=str(site.services.models))
    workers[0].ask_to_stop()


async def cut(site: Site, workers: list[Worker]) -> None:
    for proxy in site.proxies:
        proxy.cut()


Strike = Callable[[Site, list[Worker]], Awaitable[None]]


async def watch(client: Client, model: str, ready: asyncio.Barrier) -> list[dict[str, Any]]:
    """One person's answer, all events of it; the barrier is passed once it is under way."""
    session = new_session()
    await client.ask(session_id=session, model=model)
    async with client.stream(session) as stream:
        await stream.read_chars(STRIKE_AT)
        await ready.wait()
        return [event.data for event in await stream.rest()]


@pytest.mark.parametrize("strike", [kill, freeze, deploy, cut])
@pytest.mark.parametrize("model", ["continues", "kept"])
async def test_every_answer_goes_on(
    site: Site, workers: list[Worker], client: Client, model: str, strike: Strike
) -> None:
    before, told_before = site.services.generated(model), site.services.told()
    ready = asyncio.Barrier(PEOPLE + 1)
    watching = [asyncio.create_task(watch(client, model, ready)) for _ in range(PEOPLE)]
    with Slowness() as slowness:
        await asyncio.wait_for(ready.wait(), PATIENCE_SECONDS)
        await strike(site, workers)
        answers = await asyncio.gather(*watching)
    for events in answers:
        assert "".join(event["chunk"] for event in events if "chunk" in event) == numbered(TOKENS)
        assert [event["type"] for event in events if "type" in event and event["type"] != "queued"] == ["start", "done"]
    assert sum(event.get("finish_reason") == "stop" for events in answers for event in events) == PEOPLE
    generated = site.services.generated(model) - before
    if strike is freeze and model == "continues":
        # The requests that the frozen worker has left open run on: counted apart.
        generated -= workers[0].output().count("turn.claimed") * (TOKENS - STRIKE_AT // len(token("numbered", 0)))
    assert generated <= (1 + MOST_TWICE * slowness.factor) * PEOPLE * TOKENS
    if model == "kept":
        told = site.services.told()
        assert told["requests"] - told_before["requests"] == PEOPLE
        assert told["fetched"] > told_before["fetched"]


async def test_a_response_whose_id_nobody_has_noted_is_asked_for_anew(
    site: Site, workers: list[Worker], client: Client
) -> None:
    """The kill falls between the request and its first event: what was begun there is paid for and lost."""
    before = site.services.told()["requests"]
    session = new_session()
    await client.ask(session_id=session, model="kept-held")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while site.services.told()["requests"] == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    turn = await client.until(session, "running")
    assert turn["attempt"] == 1
    for worker in workers:
        worker.kill()
    site.services.release()
    await asyncio.to_thread(site.stack.start_workers, 1, MODELS_FILE=str(site.services.models))
    turn = await client.until(session, "done")
    assert turn["text"] == numbered(TOKENS)
    assert site.services.told()["requests"] == before + 2


async def test_a_cancelled_response_is_cancelled_at_its_service(
    site: Site, workers: list[Worker], client: Client
) -> None:
    before, session = site.services.told()["cancelled"], new_session()
    await client.ask(session_id=session, model="kept")
    async with client.stream(session) as stream:
        await stream.read_chars(STRIKE_AT)
        await client.cancel(session)
        assert (await stream.rest())[-1].data["finish_reason"] == "cancelled"
    assert site.services.told()["cancelled"] == before + 1
