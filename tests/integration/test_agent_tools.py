"""Agents with tools, from the question to the answer: built-in ones, MCP servers over both transports, and what a model
is told where one dies. The demo provider answers, which calls what a question says."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bench.processes import free_port
from tests.client import Client, new_session
from tests.conversing import Screen, Talk
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.stack import ROOT, Stack, broker_answers

pytestmark = pytest.mark.anyio

SERVER = [sys.executable, str(ROOT / "tests" / "mcp_server.py")]
NAMES = ["current_time", "calculator", "command_add", "command_die", "web_add", "web_fail"]


@pytest.fixture(scope="module")
def mcp_url() -> Iterator[str]:
    """Of a server over streamable HTTP."""
    port = free_port()
    with subprocess.Popen([*SERVER, "--port", str(port)]) as process:
        yield f"http://127.0.0.1:{port}/mcp"
        process.kill()


@pytest.fixture(scope="module")
def api(mcp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    require(broker_answers(), "no RabbitMQ answers; see RABBIT_MQ")
    home = tmp_path_factory.mktemp("tools")
    tools = home / "tools.toml"
    tools.write_text(
        f"""
        [tools.current_time]
        builtin = "current_time"
        [tools.calculator]
        builtin = "calculator"
        [servers.command]
        command = {json.dumps(SERVER)}
        tools = ["add", "die"]
        [servers.web]
        url = "{mcp_url}"
        tools = ["add", "fail"]
        """
    )
    with Stack(home, OPENAI_API_KEY="", OPENAI_BASE_URL="", OPENAI_MODEL="", TOOLS_FILE=str(tools)) as stack:
        api = stack.start_api()
        stack.start_worker()
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async with Client(api.url) as client:
        agent = {"name": "Clerk", "system_prompt": "You reckon.", "tools": NAMES}
        (await client.http.put("/agents/clerk", json=agent)).raise_for_status()
        yield client


@pytest.fixture
async def talk(api: Api, client: Client) -> AsyncIterator[Talk]:
    async with Talk(lambda: [api.url], "clerk") as talk:
        yield talk


def results(screen: Screen) -> list[tuple[str, str, bool]]:
    return [(call["name"], call["result"]["output"], call["result"]["isError"]) for call in screen.calls.values()]


async def test_the_tools_that_there_are(client: Client) -> None:
    told = (await client.http.get("/tools")).json()["tools"]
    assert [tool["name"] for tool in told] == NAMES
    assert "Calculates" in told[1]["description"]


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_question_that_needs_a_tool(talk: Talk, client: Client, mode: str) -> None:
    screen = await talk.ask("What is 6 * 7?", options={"mode": mode})
    assert results(screen) == [("calculator", "42", False)]
    assert screen.steps == [(1, "start"), (1, "end"), (2, "start"), (2, "end")]
    assert "- 42" in screen.text
    turn = await client.turn(talk.conversation_id or "")
    assert (turn["steps"], turn["finish_reason"], turn["text"]) == (2, "stop", screen.text)
    (call,) = turn["tool_calls"]
    assert (call["name"], call["result"], call["step"], call["in_doubt"]) == ("calculator", "42", 1, False)
    assert json.loads(call["arguments"]) == {"expression": "6 * 7"}
    assert call["seconds"] is not None


async def test_tools_of_mcp_servers(talk: Talk) -> None:
    screen = await talk.ask('call command_add {"a": 1, "b": 2}\ncall web_add {"a": 3, "b": 4}\nthen\ncall web_fail')
    assert sorted(results(screen)[:2]) == [("command_add", "3", False), ("web_add", "7", False)]
    name, output, is_error = results(screen)[2]
    assert (name, is_error) == ("web_fail", True)
    assert "out of order" in output
    assert [number for number, status in screen.steps if status == "start"] == [1, 2, 3]


async def test_a_server_that_dies_in_mid_call(talk: Talk) -> None:
    """And is there again for the next one."""
    screen = await talk.ask('call command_die\nthen\ncall command_add {"a": 1, "b": 2}')
    (died, added) = results(screen)
    assert (died[0], died[2]) == ("command_die", True)
    assert added == ("command_add", "3", False)
    assert screen.end is not None
    assert screen.end["finishReason"] == "stop"


async def test_what_a_model_gets_wrong_it_is_told(talk: Talk) -> None:
    screen = await talk.ask(
        'call command_add {"a": "one"}\ncall never {"a": 1}\ncall calculator {"expression": "1 / 0"}'
    )
    told = {name: output for name, output, is_error in results(screen) if is_error}
    assert set(told) == {"command_add", "never", "calculator"}
    assert "There is no tool 'never'" in told["never"]
    assert "Division by zero" in told["calculator"]


async def test_over_plain_streams_too(client: Client) -> None:
    session = new_session()
    question: dict[str, Any] = {"agent_id": "clerk", "session_id": session}
    text = (await client.http.post("/chat", json={**question, "message": "2 + 2 = ?", "mode": "direct"})).text
    assert "\n[calculator: 4]\n\n[step 2]\n" in text
    await client.ask("3 * 3 = ?", **question)
    events = [event.data for event in await client.read(session, turn=2)]
    assert [event["step"] for event in events if "step" in event] == [
        {"number": number, "status": status} for number in (1, 2) for status in ("start", "end")
    ]
    (result,) = [event["tool_result"] for event in events if "tool_result" in event]
    assert (result["name"], result["result"], result["is_error"]) == ("calculator", "9", False)
    assert next(event["tool_call"]["name"] for event in events if "tool_call" in event) == "calculator"


async def test_an_agent_cannot_be_given_what_there_is_not(client: Client) -> None:
    response = await client.http.put("/agents/clerk", json={"tools": ["calculator", "never"]})
    assert response.status_code == 422
    assert "never" in response.json()["detail"]


async def test_the_next_turn_knows_what_was_done(talk: Talk) -> None:
    await talk.ask("What is 6 * 7?")
    screen = await talk.ask("hello", seconds=PATIENCE_SECONDS)
    assert (screen.calls, screen.steps) == ({}, [(1, "start"), (1, "end")])
    assert "message 2 of this conversation" in screen.text


async def test_a_question_cannot_bring_others(client: Client) -> None:
    tools = [{"type": "function", "function": {"name": "mine"}}]
    response = await client.ask("hello", agent_id="clerk", options={"tools": tools})
    assert (response.status_code, response.json()["code"]) == (400, "unsupported_option")
