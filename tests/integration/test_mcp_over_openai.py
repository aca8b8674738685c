"""Tools of MCP servers, over both transports, in answers that come over OpenAI's wire; one server dies in mid-call."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Client, numbered
from tests.conversing import Talk
from tests.integration.test_agent_tools import SERVER, mcp_url
from tests.processes import Api
from tests.stack import Stack

__all__ = ["mcp_url"]  # a fixture

pytestmark = pytest.mark.anyio

TOKENS = 10
MODEL = f"mock?tokens={TOKENS}&tools=2&steps=1"
"""Calls the first two tools that it is offered, and answers with what they say."""
AGENTS = {"both": ["command_lookup", "web_lookup"], "dying": ["command_lookup_and_die", "web_lookup"]}


@pytest.fixture(scope="module")
def api(mcp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home: Path = tmp_path_factory.mktemp("mcp")
    tools = home / "tools.toml"
    tools.write_text(
        f'[servers.command]\ncommand = {json.dumps(SERVER)}\ntools = ["lookup", "lookup_and_die"]\n'
        f'[servers.web]\nurl = "{mcp_url}"\ntools = ["lookup"]\n'
    )
    with Stack(home, TOOLS_FILE=str(tools)) as stack:
        api = stack.start_api()
        stack.start_worker()
        yield api


@pytest.mark.parametrize("mode", ["queue", "direct"])
@pytest.mark.parametrize("agent", AGENTS)
async def test_the_model_has_their_results(api: Api, agent: str, mode: str) -> None:
    async with Client(api.url) as client:
        about = {"name": agent, "system_prompt": "You look things up.", "model": MODEL, "tools": AGENTS[agent]}
        (await client.http.put(f"/agents/{agent}", json=about)).raise_for_status()
    async with Talk(lambda: [api.url], agent) as talk:
        screen = await talk.ask("Look it up.", options={"mode": mode})
    assert screen.text == numbered(2 * TOKENS)
    by_command, by_web = (call["result"] for call in screen.calls.values())
    assert (by_web["output"], by_web["isError"]) == ("3 results for tea in Żywiec", False)
    assert by_command["isError"] is (agent == "dying")
    assert [number for number, status in screen.steps if status == "start"] == [1, 2]
    assert screen.end is not None
    assert screen.end["finishReason"] == "stop"
