"""A worker whose consumer fell silent, and an inbox that hears no more, are found and replaced."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from api.streams.inbox import Inbox
from api.streams.inbox_check import InboxCheck
from bench.processes import free_port
from core.background import Background
from core.broker.connection import BrokerConnection
from core.broker.topology import JOBS
from tests.client import Client, get, new_session, numbered, text_of
from tests.integration.conftest import celery, eventually, owner_of
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.proxy import Proxy
from tests.stack import BROKER, Stack

pytestmark = pytest.mark.anyio


@pytest.fixture
def api(stack: Stack) -> Api:
    return stack.start_api()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async with Client(api.url) as client:
        yield client


async def test_a_silent_consumer_is_found_and_replaced(stack: Stack, client: Client) -> None:
    """Its running turn ends undisturbed first; then the same process takes jobs again."""
    health = f"http://127.0.0.1:{(port := free_port())}/health"
    worker = stack.start_worker(WORKER_HEALTH_PORT=str(port), WORKER_STUCK_SECONDS="4", SHUTDOWN_GRACE="90")
    running, waiting = new_session(), new_session()
    await client.ask(session_id=running, model=f"mock?tokens=40&rate=40&hold_after=20&id={running}")
    await client.until(running, "running")
    working = {"status": "ok", "broker": "up", "running": 1, "free": 19, "waiting": 0}
    await eventually(lambda: (get(health).status_code, get(health).json()) == (200, working))
    await celery(stack, "control", "cancel_consumer", f"{stack.prefix}{JOBS}", to=[worker])
    await client.ask(session_id=waiting, model="mock?tokens=5")
    await eventually(lambda: get(health).status_code == 503)
    status, stuck = await _get(health)
    assert (status, stuck["status"], stuck["waiting"], stuck["running"]) == (503, "stuck", 1, 1)
    assert owner_of(stack, running, [worker]) is worker

    stack.release(running)
    assert text_of(await client.read(running)) == numbered(40)
    assert (await client.turn(running))["attempt"] == 1
    turn = await client.until(waiting, "done")
    assert (turn["attempt"], turn["text"]) == (1, numbered(5))
    assert worker.alive
    assert worker.output().count(" ready.") == 2
    await eventually(lambda: get(health).status_code == 200)


async def test_a_worker_says_whether_it_reaches_the_broker(stack: Stack, proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/ready"
    stack.start_worker(WORKER_HEALTH_PORT=str(port), RABBIT_MQ=proxy.url)
    await eventually(lambda: get(url).json() == {"status": "ready", "broker": "up"})
    proxy.refuse()
    await eventually(lambda: get(url).status_code == 503)
    proxy.restore()
    await eventually(lambda: get(url).status_code == 200)


async def test_a_taken_health_port_keeps_no_worker_from_working(stack: Stack, client: Client, api: Api) -> None:
    worker = stack.start_worker(WORKER_HEALTH_PORT=api.url.rpartition(":")[2])
    await client.ask(session_id=(session := new_session()), model="mock?tokens=5")
    await client.until(session, "done")
    assert "no health port" in worker.output()


@pytest.mark.usefixtures("broker")
async def test_an_inbox_that_receives_nothing_is_made_anew() -> None:
    """Its queue and its connection live, but its consumer is gone without a word."""
    renewed = 0

    def on_renewed() -> None:
        nonlocal renewed
        renewed += 1

    async def set_up_nothing(_: Any) -> None: ...

    inbox, sender = (
        Inbox(BROKER, on_renewed, "@test", lambda _: None),
        BrokerConnection(BROKER, "test sender", set_up_nothing),
    )
    background = Background()
    inbox.start()
    sender.start()
    background.repeat("inbox check", InboxCheck(inbox, sender, arrival_seconds=5.0).check, pause_seconds=0.05)
    with anyio.fail_after(PATIENCE_SECONDS):
        await inbox.heard.wait()
        before = renewed
        await inbox._connection.call(_cancel_its_consumer)
        await eventually(lambda: renewed > before)
        inbox.heard.clear()
        await inbox.heard.wait()
    await background.stop()
    await inbox.stop()
    await sender.stop()


async def _get(url: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        response = await http.get(url)
    return response.status_code, response.json()


async def _cancel_its_consumer(channel: Any) -> None:
    (tag,) = channel.consumers
    await channel.basic_cancel(tag)
