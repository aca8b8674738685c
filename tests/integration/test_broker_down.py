"""The broker is away: the API starts and says so, direct mode works, nothing is half stored, all recovers by itself."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tests.client import Client, get, new_session, numbered, text_of
from tests.integration.conftest import Shared, assert_problem, eventually
from tests.processes import Api
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio

DOWN = {"status": "unavailable", "broker": "down", "store": "up"}
READY = {"status": "ready", "broker": "up", "store": "up"}


@pytest.fixture(scope="module")
def cut_off(shared: Shared, broker: str) -> Iterator[tuple[Api, Proxy]]:
    """One more API process of the shared stack, started while its broker is down."""
    with Proxy(broker, refusing=True) as proxy:
        api = shared.stack.start_api(ready=False, RABBIT_MQ=proxy.url)
        yield api, proxy
        proxy.restore()
        api.stop()


@pytest.fixture
def api(cut_off: tuple[Api, Proxy]) -> Api:
    return cut_off[0]


@pytest.fixture
def proxy(cut_off: tuple[Api, Proxy]) -> Proxy:
    return cut_off[1]


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    client = Client(api.url)
    yield client
    await client.close()


async def test_an_api_that_starts_without_a_broker(client: Client, api: Api, proxy: Proxy) -> None:
    """In order: it serves and says what is missing, direct mode works, and it recovers by itself."""
    proxy.refuse()
    health = await client.http.get("/health")
    assert (health.status_code, health.json()["broker"], health.json()["status"]) == (200, "down", "ok")
    await eventually(lambda: (get(f"{api.url}/ready").status_code, get(f"{api.url}/ready").json()) == (503, DOWN))
    await eventually(lambda: "broker not reached" in api.output())

    await _assert_refused(client)
    direct = await client.ask(mode="direct", model="mock?tokens=5")
    assert (direct.status_code, direct.text) == (200, numbered(5))

    proxy.restore()
    await _until_ready(api)
    await _assert_answers(client)


async def test_a_broker_that_goes_away_and_comes_back(client: Client, api: Api, proxy: Proxy) -> None:
    proxy.restore()
    await _until_ready(api)
    proxy.refuse()
    await eventually(lambda: get(f"{api.url}/ready").json() == DOWN)
    await _assert_refused(client)
    proxy.restore()
    await _until_ready(api)
    await _assert_answers(client)


@contextmanager
def black_hole(proxy: Proxy) -> Iterator[None]:
    proxy.black_hole()
    try:
        yield
    finally:
        proxy.restore()


@contextmanager
def no_worker_looks(shared: Shared) -> Iterator[None]:
    """Its sweep would find the turn, and queue it again, where the API is slow to take it back."""
    shared.worker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        shared.worker.signal(signal.SIGCONT)


async def test_a_broker_that_hangs_at_post(client: Client, api: Api, proxy: Proxy, shared: Shared) -> None:
    """The connection stands, so the turn is stored, and taken back when the job is not confirmed."""
    proxy.restore()
    await _until_ready(api)
    with no_worker_looks(shared), black_hole(proxy):
        await _assert_refused(client)
    await _until_ready(api)
    await _assert_answers(client)


async def test_a_refused_turn_leaves_an_older_session_as_it_was(
    client: Client, api: Api, proxy: Proxy, shared: Shared
) -> None:
    proxy.restore()
    await _until_ready(api)
    session = new_session()
    await client.ask("first", session_id=session, model="mock?tokens=2")
    await client.until(session, "done")
    before = await client.show(session)
    with no_worker_looks(shared), black_hole(proxy):
        assert_problem(await client.ask("second", session_id=session), 503, "broker_down")
    after = await client.show(session)
    assert after["turns"] == before["turns"]
    await _until_ready(api)
    assert (await client.ask("second", session_id=session, model="mock?tokens=2")).json()["turn"] == 2
    await client.until(session, "done", number=2)


async def _assert_refused(client: Client) -> None:
    session = new_session()
    response = await client.ask(session_id=session)
    assert_problem(response, 503, "broker_down")
    assert int(response.headers["retry-after"]) >= 1
    assert_problem(await client.http.get(f"/sessions/{session}"), 404, "not_found")
    listed = (await client.http.get("/sessions?limit=500")).json()["sessions"]
    assert session not in [entry["session_id"] for entry in listed]


async def _assert_answers(client: Client) -> None:
    session = new_session()
    assert (await client.ask(session_id=session, model="mock?tokens=5")).status_code == 202
    assert text_of(await client.read(session)) == numbered(5)


async def _until_ready(api: Api) -> None:
    await eventually(lambda: get(f"{api.url}/ready").json() == READY)
