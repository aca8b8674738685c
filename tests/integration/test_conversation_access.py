"""Who may converse, with which agents and in whose conversations; and a thousand bad frames."""

import asyncio
import json
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.client import Client, new_session
from tests.integration.conftest import ALICE, BOB, Guarded, Shared
from tests.patience import PATIENCE_SECONDS
from tests.sockets import close_code, open_socket, rest, with_ticket
from tests.stack import Stack

pytestmark = pytest.mark.anyio

HELLO = json.dumps({"agentId": "planner", "protocol": 1})


async def greeted(url: str, hello: dict[str, Any], **details: Any) -> tuple[str, str | None, int | None]:
    """The type and code of the answer to a handshake, and the code with which the connection is closed, if it is."""
    async with open_socket(url, "/ws/chat", **details) as socket:
        try:
            await socket.send(json.dumps(hello))
            frame = json.loads(await asyncio.wait_for(socket.recv(decode=True), PATIENCE_SECONDS))
        except ConnectionClosed:
            return "", None, socket.close_code
        code = None if frame["type"] == "ready" else await close_code(socket)
        return frame["type"], frame.get("code"), code


@pytest.fixture
async def agent_of_alice(alice: Client) -> str:
    name = new_session().lower()[:40].replace("_", "-").strip("-")
    agent_id = f"a{name}"
    put = await alice.http.put(f"/agents/{agent_id}", json={"name": "Mine", "system_prompt": "You are mine."})
    put.raise_for_status()
    return agent_id


async def test_a_key_or_a_ticket_opens_it(guarded: Guarded, alice: Client) -> None:
    url, hello = guarded.apis[0].url, json.loads(HELLO)
    assert await greeted(url, hello, key=ALICE) == ("ready", None, None)
    assert (await greeted(url, hello))[2] == 4401
    assert (await greeted(url, hello, key="nobody-0123456789abcdef"))[2] == 4401
    ticket = (await alice.http.post("/ws/ticket", json={"path": "/ws/chat"})).json()["ticket"]
    assert await greeted(guarded.apis[1].url, hello, protocols=with_ticket(ticket)) == ("ready", None, None)
    assert (await greeted(url, hello, protocols=with_ticket(ticket)))[2] == 4401  # it is spent
    assert (await greeted(url, hello, key=ALICE, origin="https://evil.example"))[2] == 4403


async def test_another_key_s_agents_and_conversations_are_not_there(
    guarded: Guarded, alice: Client, agent_of_alice: str
) -> None:
    url = guarded.apis[0].url
    assert (await greeted(url, {"agentId": agent_of_alice}, key=ALICE))[0] == "ready"
    assert await greeted(url, {"agentId": agent_of_alice}, key=BOB) == ("error", "not_found", 4404)
    session = new_session()
    await alice.ask(session_id=session, model="mock?tokens=3")
    await alice.until(session, "done")
    async with open_socket(url, "/ws/chat", key=BOB) as socket:
        await socket.send(json.dumps({"agentId": "planner", "conversationId": session}))
        ready = json.loads(await socket.recv(decode=True))
        assert (ready["turn"], ready["status"]) == (None, "idle")  # as of one that there is not
        await socket.send(json.dumps({"message": "hi", "messageId": "m"}))
        error = json.loads(await socket.recv(decode=True))
        assert (error["code"], error["messageId"]) == ("not_found", "m")


async def test_messages_count_for_the_rate_limit(guarded: Guarded, tmp_path: Any) -> None:
    with Stack(tmp_path, guarded.stack.broker, API_KEYS=f"alice:{ALICE}", RATE_LIMIT="2/hour") as stack:
        api = stack.start_api()
        async with open_socket(api.url, "/ws/chat", key=ALICE) as socket:
            await socket.send(HELLO)
            for number in range(3):
                await socket.send(json.dumps({"message": "hi", "messageId": f"m{number}"}))
            frames: list[dict[str, Any]] = []
            while not any(frame["type"] == "error" for frame in frames):
                frames.append(json.loads(await asyncio.wait_for(socket.recv(decode=True), PATIENCE_SECONDS)))
        (error,) = [frame for frame in frames if frame["type"] == "error"]
        assert (error["code"], error["messageId"], error["retryable"]) == ("rate_limited", "m2", True)
        assert error["retryAfter"] > 0


async def test_a_handshake_that_does_not_come_is_not_waited_for(tmp_path: Any, guarded: Guarded) -> None:
    async with open_socket(guarded.apis[0].url, "/ws/chat", key=ALICE) as socket:
        frames = await asyncio.wait_for(rest(socket), 10 + PATIENCE_SECONDS)
        assert [frame.get("code") for frame in frames] == ["handshake_timeout"]
        assert socket.close_code == 4408


def bad_frames() -> list[str | bytes]:
    """Of every kind there is, in an order that is the same each time."""
    chance = random.Random(1)
    deep = '{"message":' * 300 + '"x"' + "}" * 300
    values: list[Any] = [None, 1, 1.5, True, [], [1], {}, {"a": 1}, "", "x" * 300, "\u0000", "\ud800"]
    frames: list[str | bytes] = [b"\0\1", b"", "", "nonsense", "[1]", '"text"', "12", "null", deep, "{" * 5000]
    frames += ['{"type":"dance"}', '{"type":"stop","turn":0}', '{"type":"stop","turn":1e99}', '{"type":"register"}']
    for member in ("message", "messageId", "agentId", "options", "conversationId", "type"):
        frames += [json.dumps({"message": "hi", member: value}) for value in values if _is_bad(member, value)]
    for option in ("temperature", "maxNewTokens", "stop", "seed", "model", "mode", "onBusy", "unknown"):
        frames.append(json.dumps({"message": "hi", "options": {option: {"a": 1}}}))
    return [chance.choice(frames) for _ in range(1000)]


def _is_bad(member: str, value: Any) -> bool:
    if member == "options":
        return bool(value != {})
    if member == "message":
        return not (isinstance(value, str) and value.strip("\0").strip())
    return value is not None or member == "type"


async def test_a_thousand_bad_frames_harm_nobody(shared: Shared, client: Client) -> None:
    frames = iter(bad_frames())
    refused = 0
    while True:
        async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
            await socket.send(HELLO)
            assert json.loads(await socket.recv(decode=True))["type"] == "ready"
            try:
                for frame in frames:
                    await socket.send(frame)
                    answer = json.loads(await asyncio.wait_for(socket.recv(decode=True), PATIENCE_SECONDS))
                    assert answer["type"] == "error", (frame, answer)
                    assert answer["code"] in ("bad_frame", "second_handshake", "not_found"), (frame, answer)
                    refused += 1
                else:
                    break
            except ConnectionClosed:
                refused += 1
            assert socket.close_code in (1003, 1007, 4400, 4409)
    assert refused >= 1000
    assert (await client.http.get("/health")).status_code == 200
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await socket.send(HELLO)
        assert json.loads(await socket.recv(decode=True))["type"] == "ready"


async def test_one_that_is_too_large_closes_it(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/chat") as socket:
        await socket.send(HELLO)
        await socket.send(json.dumps({"message": "x" * 600_000}))
        assert await close_code(socket) == 1009
