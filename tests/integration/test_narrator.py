"""Narrators and controllers over two API processes: who posts at one, who answers at the other, and viewers at both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import anyio
import pytest

from tests.client import POLL_SECONDS, Client, new_session, numbered
from tests.integration.conftest import Guarded, Shared, assert_problem, eventually
from tests.narrating import Party, controller, feed, joined, lease, new_name, post, posted
from tests.patience import PATIENCE_SECONDS, promised
from tests.watching import TOKENS, held

pytestmark = pytest.mark.anyio


@pytest.fixture
async def viewers(shared: Shared, session: str) -> AsyncIterator[Sequence[Party]]:
    """Of the session, one on each API process."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(joined(api.url, session)) for api in shared.apis]


@pytest.fixture
def session() -> str:
    return new_session()


async def test_a_message_reaches_the_controller_and_its_word_all_viewers(
    shared: Shared, client: Client, viewers: Sequence[Party], session: str
) -> None:
    name = new_name()
    async with controller(shared.apis[1].url, "well", controller=name) as holder:
        first, second = [
            await posted(client, text, conversationId=session, workspaceId="w", controller=name) for text in ("a", "b")
        ]
        for viewer in viewers:
            await viewer.hears("narration", 2)
    asked = holder.of("narrator")
    assert [(frame["message"], frame["epoch"], frame["workspaceId"]) for frame in asked] == [
        ("a", 1, "w"),
        ("b", 1, "w"),
    ]
    assert [frame["eventId"] for frame in asked] == [first["eventId"], second["eventId"]]
    assert first == {
        "eventId": first["eventId"],
        "conversationId": session,
        "workspaceId": "w",
        "taskId": str(first["eventId"]),
        "controller": name,
        "epoch": 1,
        "narration": "well: a",
    }
    for viewer in viewers:
        told = [(frame["seq"], frame["source"], frame["message"]) for frame in viewer.of("narration")]
        assert told == [(2, name, "well: a"), (4, name, "well: b")]
    events = await feed(client, session)
    assert [(event["seq"], event["type"]) for event in events] == [
        (1, "USER_MESSAGE"),
        (2, "NARRATION"),
        (3, "USER_MESSAGE"),
        (4, "NARRATION"),
    ]
    assert [event["answers"] for event in events] == [None, first["eventId"], None, second["eventId"]]
    assert await feed(client, session, after=1, limit=2) == events[1:3]


async def test_the_bus_makes_it_quick(shared: Shared, client: Client, session: str) -> None:
    """By looks at the store alone each message would take about two seconds."""
    name = new_name()
    async with joined(shared.apis[0].url, session) as viewer, controller(shared.apis[1].url, controller=name):
        with promised(1.5):
            for number in range(1, 4):
                await posted(client, conversationId=session, controller=name)
                await viewer.hears("narration", number)


async def test_a_message_that_comes_twice_is_told_once(
    shared: Shared, client: Client, other_client: Client, session: str
) -> None:
    """Also at another process, and while the first one still waits."""
    name = new_name()
    fields = {"conversationId": session, "controller": name, "messageId": "m1"}
    async with joined(shared.apis[1].url, new_session()) as holder:
        await holder.register(name)
        async with asyncio.TaskGroup() as group:
            posting = [group.create_task(posted(client, **fields))]
            asked = await holder.hears("narrator")
            posting += [group.create_task(posted(each, **fields)) for each in (other_client, client)]
            await holder.say(type="narration", eventId=asked["eventId"], message="Once.")
        told = [each.result() for each in posting]
        assert told == [told[0]] * 3
        assert await posted(other_client, **fields) == told[0]
        assert len(holder.of("narrator")) == 1
    assert len(await feed(client, session)) == 2


async def test_without_a_controller_it_says_whom_it_has_looked_for(client: Client, session: str) -> None:
    name = new_name()
    refused = await post(client, conversationId=session, controller=name)
    problem = assert_problem(refused, 503, "no_controller")
    assert name in problem["detail"]
    assert int(refused.headers["retry-after"]) > 0
    assert await feed(client, session) == []


async def test_who_takes_over_answers_and_who_held_it_before_is_refused(
    shared: Shared, client: Client, session: str
) -> None:
    name = new_name()
    taken = await lease(client, name, ttlSeconds=15)
    async with joined(shared.apis[0].url, new_session()) as first, joined(shared.apis[1].url, new_session()) as second:
        await first.register(name, leaseId=taken["leaseId"])
        posting = asyncio.create_task(post(client, "to the first", conversationId=session, controller=name))
        asked = await first.hears("narrator")
        await second.say(type="register", controller=name)
        refused = await second.hears("error", code="controller_held")
        assert 0 < refused["retryAfter"] <= 15
        assert (await second.register(name, takeover=True))["epoch"] == 2
        await first.say(type="narration", eventId=asked["eventId"], message="Too late.")
        await first.hears("error", code="lease_lost")
        assert_problem(await posting, 502, "relay_failed")
        await second.say(type="narration", eventId=asked["eventId"], message="Not mine.")
        await second.hears("error", code="lease_lost")
        posting = asyncio.create_task(post(client, "to the second", conversationId=session, controller=name))
        asked = await second.hears("narrator", message="to the second", epoch=2)
        await second.say(type="narration", eventId=asked["eventId"], message="Mine.")
        assert (await posting).json()["narration"] == "Mine."
        await first.hears("error", 2, code="lease_lost")  # it has noticed by itself, too
        assert first.of("narrator", epoch=2) == second.of("narrator", epoch=1) == []


async def test_who_comes_late_goes_on_after_what_they_have(
    shared: Shared, client: Client, viewers: Sequence[Party], session: str
) -> None:
    name = new_name()
    async with controller(shared.apis[0].url, controller=name):
        for number in range(3):
            await posted(client, f"{number}", conversationId=session, controller=name)
        await viewers[0].hears("narration", 3)
        seq = viewers[0].of("narration")[0]["seq"]
        async with (
            joined(shared.apis[1].url, session, narratorSeq=seq) as back,
            joined(shared.apis[1].url, session) as new,
            joined(shared.apis[1].url, session, narratorSeq=10**6) as ahead,
        ):
            await back.hears("narration", 2)
            await posted(client, "3", conversationId=session, controller=name)
            for viewer in (new, ahead):
                await viewer.hears("narration")
            await back.hears("narration", 3)
    assert [frame["seq"] for frame in back.of("narration")] == [4, 6, 8]
    assert [frame["seq"] for frame in new.of("narration")] == [8] == [frame["seq"] for frame in ahead.of("narration")]
    assert new.of("ready")[0]["narratorSeq"] == 6


async def test_what_cannot_be_posted_or_read_is_refused(client: Client) -> None:
    for body, field in (
        ({"message": " "}, "message"),
        ({"message": "x", "conversationId": "a b"}, "conversationId"),
        ({"message": "x", "controller": "No!"}, "controller"),
    ):
        assert_problem(await client.http.post("/narrator/messages", json=body), 422, "invalid_input", field=field)
    assert_problem(await client.http.get("/narrator/feed"), 422, "invalid_input")
    assert_problem(await client.http.get("/narrator/feed?workspaceId=w&limit=201"), 422, "invalid_input", field="limit")
    unknown = await client.http.put(f"/controllers/{new_name()}", json={"agentId": "nobody"})
    assert_problem(unknown, 404, "not_found")
    assert_problem(await client.http.put("/controllers/No", json={}), 422, "invalid_input", field="name")


async def test_an_agent_answers_after_what_runs_in_the_conversation(
    shared: Shared, client: Client, viewers: Sequence[Party], session: str
) -> None:
    await client.ask(session_id=session, model=held(session))
    await client.until(session, "running")
    posting = asyncio.create_task(posted(client, "And you?", conversationId=session, controller="planner"))
    with anyio.fail_after(PATIENCE_SECONDS):
        while len((await client.show(session))["turns"]) < 2:  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)
    assert (await client.turn(session, 2))["status"] == "waiting"
    shared.stack.release(session)
    told = await posting
    assert (told["taskId"], told["epoch"]) == (f"{session}.2", None)
    turn = await client.turn(session, 2)
    assert turn["message"] == "And you?"
    assert turn["text"] == told["narration"]
    for viewer in viewers:
        assert (await viewer.hears("narration"))["message"] == told["narration"]
    assert (await client.until(session, "done"))["text"] == numbered(TOKENS)


async def test_an_agent_of_its_name_is_a_controller_until_somebody_holds_a_lease(
    shared: Shared, client: Client, session: str
) -> None:
    name = new_name()
    agent = {"name": "Boss", "system_prompt": "Be brief.", "model": "mock?tokens=3"}
    assert (await client.http.put(f"/agents/{name}", json=agent)).status_code == 201
    told = await posted(client, conversationId=session, controller=name)
    assert (told["narration"], told["taskId"], told["epoch"]) == (numbered(3), f"{session}.1", None)
    async with controller(shared.apis[1].url, "me", controller=name):
        told = await posted(client, conversationId=session, controller=name)
        assert (told["narration"], told["epoch"]) == ("me: What is new?", 1)
    assert (await client.http.delete(f"/agents/{name}")).status_code == 204


async def test_an_agent_whose_turn_fails_is_a_relay_that_fails(client: Client, session: str) -> None:
    name = new_name()
    agent = {"name": "Boss", "system_prompt": "Be brief.", "model": "mock?status=401"}
    assert (await client.http.put(f"/agents/{name}", json=agent)).status_code == 201
    fields = {"conversationId": session, "controller": name, "messageId": "m1"}
    problem = assert_problem(await post(client, **fields), 502, "relay_failed")
    assert "test-key" not in problem["detail"]
    events = await feed(client, session)
    assert [(event["type"], event["message"]) for event in events[1:]] == [("ERROR", problem["detail"])]
    assert assert_problem(await post(client, **fields), 502, "relay_failed")["detail"] == problem["detail"]
    assert len(await feed(client, session)) == 2
    assert (await client.http.delete(f"/agents/{name}")).status_code == 204


async def test_an_agent_may_stand_in_for_a_controller(client: Client, session: str) -> None:
    name = new_name()
    await lease(client, name, agentId="planner")
    told = await posted(client, conversationId=session, controller=name)
    assert (told["taskId"], told["epoch"]) == (f"{session}.1", 1)
    events = await feed(client, session)
    assert (events[1]["source"], events[1]["turn"]) == (name, 1)


async def test_tokens_and_narrations_come_over_one_connection(shared: Shared, client: Client, session: str) -> None:
    name = new_name()
    async with joined(shared.apis[0].url, session) as viewer, controller(shared.apis[1].url, controller=name):
        await viewer.say(message="hello", options={"model": held(session)})
        await viewer.hears("token")
        await posted(client, conversationId=session, controller=name)
        await viewer.hears("narration")
        assert not viewer.of("done")
        shared.stack.release(session)
        await viewer.hears("done")
    assert "".join(frame["token"] for frame in viewer.of("token")) == numbered(TOKENS)


async def test_keys_are_kept_apart(guarded: Guarded, alice: Client, bob: Client, session: str) -> None:
    name = new_name()
    alices_key, bobs_key = (str(each.http.headers["authorization"]).split()[1] for each in (alice, bob))
    async with controller(guarded.apis[1].url, "alice", key=alices_key, controller=name):
        assert (await posted(alice, conversationId=session, controller=name))["narration"] == "alice: What is new?"
        assert_problem(await post(bob, conversationId=new_session(), controller=name), 503, "no_controller")
        assert_problem(await bob.http.get(f"/controllers/{name}"), 404, "not_found")
        assert name not in (await bob.http.get("/controllers")).text
        assert_problem(await bob.http.delete(f"/controllers/{name}"), 404, "not_found")
        async with controller(guarded.apis[0].url, "bob", key=bobs_key, controller=name) as holder:
            assert_problem(await post(bob, conversationId=session, controller=name), 404, "not_found")
            assert (await posted(alice, "?", conversationId=session, controller=name))["narration"] == "alice: ?"
            assert (await posted(bob, conversationId=new_session(), controller=name))["narration"].startswith("bob:")
            assert len(holder.of("narrator")) == 1
    assert await feed(bob, session) == []


async def test_a_process_of_tests_answers_by_itself_and_no_other_may(shared: Shared) -> None:
    api = shared.stack.start_api(ENV="test", NARRATOR_RELAY="fake:All is well.")
    async with Client(api.url) as client:
        assert (await posted(client))["narration"] == "All is well."
    refused = shared.stack.launch_api(NARRATOR_RELAY="fake:All is well.")
    await eventually(lambda: not refused.alive)
    assert "NARRATOR_RELAY: is for tests" in refused.output()
    assert "Traceback" not in refused.output()
