"""A caller's own conversation, with tools: the model gets it as it is, and its calls come as they grow."""

import pytest

from tests.client import Client, new_session
from tests.integration.conftest import Shared, assert_problem

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What time is it?"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "now", "arguments": "{}"}}]},
    {"role": "tool", "content": "noon", "tool_call_id": "a"},
]


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_conversation_with_tools(client: Client, shared: Shared, mode: str) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": mode, "model": "mock?tokens=2&tools=2"}
    body = {"messages": MESSAGES, "options": {"tools": [TOOL], "tool_choice": "auto"}, **fields}
    answer = await client.http.post("/chat", json=body, headers={"Accept": "text/event-stream"})
    assert answer.is_success, answer.text
    asked = (await client.http.get(f"{shared.stack.mock_url}/stats")).json()["last_request"]
    assert [message["role"] for message in asked["messages"]] == ["system", "user", "assistant", "tool"]
    assert asked["messages"][2]["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}
    assert answer.text.count('"tool_call_begun"') == 2
    assert '"tool_call_arguments"' in answer.text
    turn = await client.until(session, "done")
    assert (turn["message"], turn["finish_reason"], len(turn["tool_calls"])) == ("What time is it?", "tool_calls", 2)
    assert all(call["name"] == "now" and call["id"] and call["arguments"] for call in turn["tool_calls"])


async def test_a_conversation_that_is_too_long(client: Client) -> None:
    long = [{"role": "user", "content": "x" * 32_000}] * 5
    answer = await client.http.post("/chat", json={"messages": long})
    assert_problem(answer, 413, "too_large", field="messages")
