"""Narrators while processes die, are deployed, or have no broker: what is said is told, and once."""

import asyncio
import signal
from collections.abc import Iterator

import anyio
import httpx
import pytest

from tests.client import POLL_SECONDS, Client, new_session
from tests.integration.conftest import Shared, assert_problem, eventually
from tests.narrating import controller, feed, joined, lease, new_name, post, posted
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.proxy import Proxy
from tests.watching import held

pytestmark = pytest.mark.anyio


@pytest.fixture
def session() -> str:
    return new_session()


@pytest.fixture
def doomed(shared: Shared) -> Api:
    """One more API process of the shared stack."""
    return shared.stack.start_api()


@pytest.fixture
def cut_off(shared: Shared, proxy: Proxy) -> Iterator[Api]:
    """One that the proxy can cut off from the broker."""
    yield shared.stack.start_api(RABBIT_MQ=proxy.url)
    proxy.restore()


async def test_a_controller_comes_back_to_another_process_and_is_told_what_was_posted_meanwhile(
    shared: Shared, client: Client, doomed: Api, session: str
) -> None:
    """A deploy."""
    name = new_name()
    async with joined(doomed.url, new_session()) as before:
        registered = await before.register(name)
        doomed.signal(signal.SIGTERM)
        await before.hears("goaway")
        posting = asyncio.create_task(posted(client, conversationId=session, controller=name))
        async with joined(shared.apis[1].url, new_session()) as after:
            again = await after.register(name, leaseId=registered["leaseId"])
            assert (again["epoch"], again["leaseId"]) == (1, registered["leaseId"])
            asked = await after.hears("narrator")
            await after.say(type="narration", eventId=asked["eventId"], message="Back again.")
            assert (await posting)["narration"] == "Back again."
    await eventually(lambda: not doomed.alive)
    assert "Traceback" not in doomed.output()


async def test_a_killed_one_is_missed_once_its_lease_has_expired(
    shared: Shared, client: Client, doomed: Api, session: str
) -> None:
    name = new_name()
    taken = await lease(client, name, ttlSeconds=5)
    async with joined(doomed.url, new_session()) as holder:
        await holder.register(name, leaseId=taken["leaseId"])
        doomed.kill()
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await client.http.get(f"/controllers/{name}")).json()["alive"]:  # noqa: ASYNC110
                await anyio.sleep(POLL_SECONDS)
    assert_problem(await post(client, conversationId=session, controller=name), 503, "no_controller")
    async with controller(shared.apis[0].url, "next", controller=name) as heir:
        told = await posted(client, conversationId=session, controller=name)
        assert (told["epoch"], told["narration"]) == (2, "next: What is new?")
        assert len(heir.of("narrator")) == 1


async def test_who_posts_again_elsewhere_gets_the_answer_of_the_same_turn(
    shared: Shared, client: Client, doomed: Api, session: str
) -> None:
    """The process that had the message was killed; the agent's turn waits behind another one."""
    await client.ask(session_id=session, model=held(session))
    fields = {"conversationId": session, "controller": "planner", "messageId": "m1"}
    async with Client(doomed.url) as lost:
        posting = asyncio.create_task(post(lost, **fields))
        with anyio.fail_after(PATIENCE_SECONDS):
            while len((await client.show(session))["turns"]) < 2:  # noqa: ASYNC110
                await anyio.sleep(POLL_SECONDS)
        doomed.kill()
        with pytest.raises(httpx.TransportError):
            await posting
    async with joined(shared.apis[1].url, session) as viewer:
        again = asyncio.create_task(posted(client, **fields))
        shared.stack.release(session)
        told = await again
        assert told["taskId"] == f"{session}.2"
        await viewer.hears("narration", message=told["narration"])
    assert len((await client.show(session))["turns"]) == 2
    assert [event["type"] for event in await feed(client, session)] == ["USER_MESSAGE", "NARRATION"]


async def test_without_a_broker_all_are_told_by_the_store(
    shared: Shared, client: Client, cut_off: Api, proxy: Proxy, session: str
) -> None:
    """The process that a controller and a viewer are connected to; and by the broker again when it is back."""
    name = new_name()
    async with (
        joined(cut_off.url, session) as near,
        joined(shared.apis[1].url, session) as far,
        controller(cut_off.url, "still", controller=name),
    ):
        for text, change in (("before", None), ("without", proxy.refuse), ("with", proxy.restore)):
            if change is not None:
                change()
            told = await posted(client, text, conversationId=session, controller=name)
            assert told["narration"] == f"still: {text}"
            for viewer in (near, far):
                await viewer.hears("narration", message=told["narration"])
        for viewer in (near, far):
            assert [frame["seq"] for frame in viewer.of("narration")] == [2, 4, 6]
