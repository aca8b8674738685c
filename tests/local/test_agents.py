"""Agents of a local model: their tools, by the model's own template and marks."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.client import Client
from tests.conversing import Talk
from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.local.folders import make_scripted
from tests.processes import Api
from tests.stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("broker")]
CALL = (
    '<think>To be reckoned.</think><tool_call>{"name": "calculator", "arguments": {"expression": "6 * 7"}}</tool_call>'
)
ANSWER = "It is what the tool says."


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("local-agents")
    model = make_scripted(home / "clerk", CALL, ANSWER)
    tools = home / "tools.toml"
    tools.write_text('[tools.calculator]\nbuiltin = "calculator"\n')
    settings = {"LOCAL_MODEL": str(model), "LOCAL_DIR": str(home), "TOOLS_FILE": str(tools)}
    with Stack(home, OPENAI_API_KEY="", OPENAI_BASE_URL="", **settings) as stack:
        api = stack.start_api()
        stack.start_worker()
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async with Client(api.url) as client:
        yield client


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_an_agent_calls_its_tools(client: Client, api: Api, mode: str) -> None:
    agent = {"name": "Clerk", "system_prompt": "You reckon.", "tools": ["calculator"]}
    (await client.http.put("/agents/clerk", json=agent)).raise_for_status()
    async with Talk(lambda: [api.url], "clerk") as talk:
        screen = await talk.ask("What is 6 * 7?", options={"mode": mode})
        assert [(call["name"], call["result"]["output"]) for call in screen.calls.values()] == [("calculator", "42")]
        assert screen.text == ANSWER
        turn = await client.turn(talk.conversation_id or "")
        assert (turn["steps"], turn["finish_reason"], turn["text"]) == (2, "stop", ANSWER)
        assert turn["reasoning"] == "To be reckoned."
