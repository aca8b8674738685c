"""/ws/chat: conversations with agents, on whichever process, in whatever order, and what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.agent_frames import check_server_frame
from tests.client import Client, new_session, numbered
from tests.conversing import Talk
from tests.integration.conftest import Shared
from tests.patience import PATIENCE_SECONDS
from tests.sockets import close_code, open_socket, rest
from tests.watching import TOKENS, held

pytestmark = pytest.mark.anyio

AGENT = "planner"
"""Every registry has it."""
MODEL = f"mock?tokens={TOKENS}&rate=200"


@pytest.fixture
async def talk(shared: Shared, client: Client) -> AsyncIterator[Talk]:
    async with Talk(lambda: [api.url for api in shared.apis], AGENT, new_session(), model=MODEL) as talk:
        yield talk


async def hear(socket: ClientConnection, *types: str) -> dict[str, Any]:
    """The next frame of one of these types."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv(decode=True))
            check_server_frame(frame)
            if frame["type"] in types:
                return frame


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_many_turns_over_one_connection(talk: Talk, client: Client, mode: str) -> None:
    for _ in range(3):
        screen = await talk.ask("hello", options={"mode": mode})
        assert screen.text == numbered(TOKENS)
        assert screen.end is not None
        assert (screen.end["finishReason"], screen.end["usage"]["outputTokens"]) == ("stop", TOKENS)
        assert screen.doubled == []
    assert (talk.connections, sorted(talk.screens)) == (1, [1, 2, 3])
    session = await client.show(talk.conversation_id or "")
    assert [(turn["mode"], turn["agent"]["id"]) for turn in session["turns"]] == [(mode, AGENT)] * 3


async def test_messages_that_come_at_once_are_answered_in_order(talk: Talk) -> None:
    ids = [await talk.say(f"message {number}") for number in range(4)]
    screens = [await talk.answer(each) for each in ids]
    assert [talk.turns[each] for each in ids] == [1, 2, 3, 4]
    assert [screen.text for screen in screens] == [numbered(TOKENS)] * 4
    accepted = [frame for frame in talk.frames if frame["type"] == "accepted"]
    assert [frame["waiting"] for frame in accepted] == sorted(frame["waiting"] for frame in accepted)


async def test_who_would_not_wait_is_refused(talk: Talk, shared: Shared) -> None:
    session = talk.conversation_id or ""
    first = await talk.say("one", options={"model": held(session)})
    await talk.until(lambda: first in talk.turns)
    second = await talk.say("two", options={"onBusy": "reject"})
    await talk.until(lambda: talk.frames[-1]["type"] == "error")
    assert (talk.frames[-1]["code"], talk.frames[-1]["messageId"]) == ("turn_running", second)
    shared.stack.release(session)
    await talk.answer(first)


async def test_only_so_many_wait(talk: Talk, shared: Shared) -> None:
    session = talk.conversation_id or ""
    ids = [await talk.say("held", options={"model": held(session)})]
    ids += [await talk.say(f"{number}") for number in range(9)]
    await talk.until(lambda: talk.frames[-1]["type"] == "error")
    assert (talk.frames[-1]["code"], talk.frames[-1]["retryable"]) == ("conversation_busy", True)
    shared.stack.release(session)
    for each in ids[:-1]:
        await talk.answer(each)


async def test_a_lost_connection_goes_on_elsewhere(talk: Talk, shared: Shared) -> None:
    session = talk.conversation_id or ""
    first = await talk.say("one", options={"model": held(session)})
    second = await talk.say("two")
    await talk.until(lambda: 1 in talk.screens and talk.screens[1].text == numbered(TOKENS // 2))
    await talk.drop()
    await talk.until(lambda: talk.connections == 2)
    shared.stack.release(session)
    screens = [await talk.answer(each) for each in (first, second)]
    assert [screen.text for screen in screens] == [numbered(TOKENS)] * 2
    assert [screen.doubled for screen in screens] == [[], []]


async def test_closing_the_connection_cancels_nothing(shared: Shared, client: Client) -> None:
    session = new_session()
    async with open_socket(shared.apis[1].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT, conversationId=session, options={"model": MODEL})
        for text in ("one", "two", "three"):
            await say(socket, message=text)
        for _ in range(3):
            await hear(socket, "accepted")
    for number in (1, 2, 3):
        assert (await client.until(session, "done", number=number))["text"] == numbered(TOKENS)


async def test_who_comes_back_late_gets_all_that_came_after(shared: Shared, client: Client) -> None:
    session = new_session()
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT, conversationId=session, options={"model": MODEL}, protocol=1)
        await say(socket, message="one")
        done = await hear(socket, "done")
        await say(socket, message="two")
        await say(socket, message="three")
        for _ in range(2):
            await hear(socket, "accepted")
    await client.until(session, "done", number=3)
    async with open_socket(shared.apis[1].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT, conversationId=session, protocol=1, resume=done["id"])
        assert (await hear(socket, "ready"))["status"] == "idle"
        for number in (2, 3):
            assert (await hear(socket, "start"))["turn"] == number
            assert (await hear(socket, "done"))["turn"] == number


async def test_a_place_that_there_is_not_is_refused_and_the_latest_turn_told(shared: Shared, client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model=MODEL)
    await client.until(session, "done")
    for place in ("7.1.1", "1.1.999", "x"):
        async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
            await say(socket, agentId=AGENT, conversationId=session, protocol=1, resume=place)
            assert (await hear(socket, "ready", "error"))["type"] == "ready"
            assert (await hear(socket, "error"))["code"] == "invalid_event_id"
            assert (await hear(socket, "token"))["turn"] == 1
            await hear(socket, "done")


async def test_the_first_clients_send_it_all_in_one_frame(shared: Shared, client: Client) -> None:
    session = new_session()
    async with open_socket(shared.apis[0].url, "/ws/chat", protocols=()) as socket:
        for number in (1, 2):
            options = {"model": MODEL, "max_new_tokens": 7}
            await say(socket, agent_id=AGENT, conversation_id=session, user_message="hi", options=options)
            token = await hear(socket, "token")
            assert (token["conversationId"], token["turn"]) == (session, number)
            assert (await hear(socket, "done"))["finishReason"] == "length"


async def test_a_message_that_comes_again_is_answered_once(shared: Shared, client: Client) -> None:
    session = new_session()
    for api, is_again in ((shared.apis[0], False), (shared.apis[1], True)):
        async with open_socket(api.url, "/ws/chat") as socket:
            await say(socket, agentId=AGENT, conversationId=session, protocol=1, options={"model": MODEL})
            await say(socket, message="hi", messageId="m-1")
            accepted = await hear(socket, "accepted")
            assert (accepted["turn"], accepted["duplicate"]) == (1, is_again)
            assert (await hear(socket, "done"))["turn"] == 1
    assert len((await client.show(session))["turns"]) == 1


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_stop_ends_what_runs_and_what_waits(talk: Talk, client: Client, mode: str) -> None:
    session = talk.conversation_id or ""
    options = {"model": held(session), "mode": mode}
    ids = [await talk.say(text, options=options) for text in ("one", "two", "three")]
    await talk.until(lambda: 1 in talk.screens and talk.screens[1].text == numbered(TOKENS // 2))
    await talk.send({"type": "stop", "turn": 2})
    await client.until(session, "done", number=2)
    await talk.send({"type": "stop"})
    ends = [(await talk.answer(each)).end for each in ids]
    assert [end and end["finishReason"] for end in ends] == ["cancelled"] * 3
    assert (await talk.ask("again")).text == numbered(TOKENS)


async def test_pings_are_answered(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT)
        await hear(socket, "ready")
        await say(socket, type="ping", t=17)
        assert await hear(socket, "pong") == {"type": "pong", "t": 17}


@pytest.mark.parametrize(
    ("first", "code", "closed_with"),
    [
        ({"agentId": "nobody"}, "not_found", 4404),
        ({"agentId": "../etc"}, "bad_handshake", 4422),
        ({"message": "hi"}, "bad_handshake", 4422),
        ({"agentId": AGENT, "options": {"zip": 1}}, "bad_handshake", 4422),
        ({"agentId": AGENT, "x": "x" * 9000}, "bad_handshake", 4422),
        ({"type": "stop"}, "bad_handshake", 4422),
        ([], "bad_frame", 4400),
    ],
)
async def test_a_bad_handshake_is_refused(shared: Shared, first: Any, code: str, closed_with: int) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await socket.send(json.dumps(first))
        assert (await hear(socket, "error"))["code"] == code
        assert await close_code(socket) == closed_with


async def test_a_process_that_stops_does_not_wait_for_a_handshake(shared: Shared) -> None:
    api = shared.stack.start_api()
    async with open_socket(api.url, "/ws/chat") as socket:
        api.ask_to_stop()
        assert [frame["type"] for frame in await rest(socket)] == ["goaway"]
        assert socket.close_code == 1012
    api.wait()
    assert "never retrieved" not in api.output()


async def test_a_refusal_names_its_message_however_that_was_spelled(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT)
        for spelled in ("messageId", "message_id"):
            await say(socket, message=" ", **{spelled: "m-1"})
            assert (await hear(socket, "error"))["messageId"] == "m-1"


async def test_a_second_handshake_is_refused(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT)
        await say(socket, agentId=AGENT)
        assert (await hear(socket, "error"))["code"] == "second_handshake"
        assert await close_code(socket) == 4409


async def test_the_third_bad_frame_is_the_last(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT)
        for frame in ('{"type":"dance"}', '{"message":', '{"type":"stop","turn":"one"}'):
            await socket.send(frame)
            assert (await hear(socket, "error"))["code"] == "bad_frame"
        assert await close_code(socket) == 4400


async def test_binary_frames_are_refused(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await say(socket, agentId=AGENT)
        await socket.send(b"\0")
        assert await close_code(socket) == 1003


async def test_what_is_refused_leaves_the_connection_open(talk: Talk) -> None:
    await talk.say("x" * 40_000)
    await talk.until(lambda: talk.frames[-1]["type"] == "error")
    assert talk.frames[-1]["code"] == "too_large"
    await talk.say("hi", agentId="nobody")
    await talk.until(lambda: talk.frames[-1].get("code") == "not_found")
    assert (await talk.ask("hello")).text == numbered(TOKENS)


async def test_what_was_accepted_has_an_end_though_its_conversation_is_deleted(talk: Talk, client: Client) -> None:
    session = talk.conversation_id or ""
    ids = [await talk.say(text, options={"model": held(session)}) for text in ("one", "two", "three")]
    await talk.until(lambda: all(each in talk.turns for each in ids))
    await client.http.delete(f"/sessions/{session}")
    for each in ids:
        await talk.answer(each)
    talk.screens.clear()
    again = await talk.ask("and now?")
    assert (again.text, talk.connections) == (numbered(TOKENS), 1)


async def test_one_of_several_turns_is_cancelled(talk: Talk, client: Client) -> None:
    session = talk.conversation_id or ""
    ids = [await talk.say(text, options={"model": held(session)}) for text in ("one", "two", "three")]
    await talk.until(lambda: all(each in talk.turns for each in ids))
    response = await client.http.post(f"/chat/{session}/cancel?turn=2")
    assert (response.status_code, response.json()) == (202, {"session_id": session, "turn": 2, "status": "done"})
    assert (await client.http.post(f"/chat/{session}/cancel?turn=9")).status_code == 404
    assert (await client.http.post(f"/chat/{session}/cancel?turn=0")).status_code == 422
    statuses = [turn["status"] for turn in (await client.show(session))["turns"]]
    assert (statuses[0] in ("queued", "running"), statuses[1:]) == (True, ["done", "waiting"])
    await client.cancel(session)
    assert [(await talk.answer(each)).end["finishReason"] for each in ids] == ["cancelled"] * 3  # type: ignore[index]
