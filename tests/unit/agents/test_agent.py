"""The record: its version, its prompt, and the copy that a turn keeps."""

from typing import Any

import msgspec
import pytest

from core.agents.agent import Agent
from core.agents.defaults import DEFAULT_AGENTS
from core.agents.markdown import write

AGENT = Agent(id="a", name="A", system_prompt="You are A.", options={"seed": 1, "top_p": 0.5}, tools=["x"])


@pytest.mark.parametrize(
    "other",
    [
        {"name": "B"},
        {"system_prompt": "You are B."},
        {"markdown_context": "x"},
        {"model": "m"},
        {"options": {"seed": 1}},
        {"tools": []},
        {"owner": "alice"},
    ],
    ids=str,
)
def test_each_member_makes_another_version(other: dict[str, Any]) -> None:
    assert msgspec.structs.replace(AGENT, **other).version != AGENT.version


@pytest.mark.parametrize("same", [{"document": "x"}, {"options": {"top_p": 0.5, "seed": 1}}], ids=str)
def test_what_is_no_part_of_it_makes_none(same: dict[str, Any]) -> None:
    assert msgspec.structs.replace(AGENT, **same).version == AGENT.version


def test_a_version_fits_into_a_tag() -> None:
    assert AGENT.version.isalnum()
    assert len(AGENT.version) == 16


@pytest.mark.parametrize(
    ("prompt", "context", "message"),
    [
        ("You are A.", "", "You are A."),
        ("You are A.\n", " \n", "You are A."),
        ("\nYou are A.\r\n", "\n    code\n- one\n", "You are A.\n\n    code\n- one"),
    ],
)
def test_the_prompt_and_the_context_are_one_message(prompt: str, context: str, message: str) -> None:
    assert msgspec.structs.replace(AGENT, system_prompt=prompt, markdown_context=context).prompt() == message


def test_a_turn_keeps_what_it_needs() -> None:
    assert AGENT.snapshot(["now"], "alice") == {
        "id": "a",
        "name": "A",
        "version": AGENT.version,
        "system": "You are A.",
        "tools": ["now"],
        "key_name": "alice",
    }


@pytest.mark.parametrize("agent", DEFAULT_AGENTS, ids=lambda agent: str(agent.id))
def test_the_usual_agents_keep_the_rules(agent: Agent) -> None:
    assert write(agent).version == agent.version
