"""What `PUT /agents/{agent_id}` takes, and the change that it becomes."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.agent_views import AgentView
from api.inputs.agents import AgentInput
from core.agents.agent import Agent
from core.store.reach import EVERYTHING, Reach


def change_of(**asked: Any) -> dict[str, Any]:
    return dict(AgentInput.model_validate(asked).change())


def test_only_what_is_given_is_changed() -> None:
    assert change_of() == {}
    assert change_of(name="A", options={"temperature": 0.5, "seed": None}) == {
        "name": "A",
        "options": {"temperature": 0.5},
    }


def test_null_takes_away() -> None:
    taken = change_of(model=None, options=None, tools=None, markdown_context=None)
    assert taken == {"model": None, "options": {}, "tools": [], "markdown_context": ""}


def test_an_answer_can_be_put_back() -> None:
    agent = Agent(id="a", name="A", system_prompt="You are A.", options={"seed": 1}, owner="alice")
    answer = AgentView.of(agent, Reach("alice")).model_dump()
    assert (answer["editable"], answer["etag"]) == (True, f'"{agent.version}"')
    assert change_of(**answer) == {
        "name": "A",
        "system_prompt": "You are A.",
        "markdown_context": "",
        "model": None,
        "options": {"seed": 1},
        "tools": [],
    }


@pytest.mark.parametrize(
    ("owner", "reach", "editable"),
    [
        (None, EVERYTHING, True),
        ("alice", EVERYTHING, True),
        (None, Reach("alice"), False),
        ("alice", Reach("alice"), True),
    ],
)
def test_who_may_change_it_is_told(owner: str | None, reach: Reach, editable: bool) -> None:
    agent = Agent(id="a", name="A", system_prompt="You are A.", owner=owner)
    assert AgentView.of(agent, reach).editable is editable


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"system_prompt": ""}, "system_prompt"),
        ({"system_prompt": None}, "system_prompt"),
        ({"system_prompt": "\n \t"}, "system_prompt"),
        ({"system_prompt": "a\0"}, "system_prompt"),
        ({"system_prompt": "\ud83d"}, "system_prompt"),
        ({"system_prompt": "x" * 32_001}, "system_prompt"),
        ({"markdown_context": "x" * 100_001}, "markdown_context"),
        ({"markdown_context": "a\0"}, "markdown_context"),
        ({"model": "a b"}, "model"),
        ({"options": {"tools": []}}, "options.tools"),
        ({"options": {"temperature": 3}}, "options.temperature"),
        ({"options": {"stop": "x" * 1_001}}, "options"),
        ({"options": {"stop": "\0"}}, "options.stop"),
        ({"options": {"maxNewTokens": 1}}, "options.maxNewTokens"),
        ({"tools": ["a b"]}, "tools.0"),
        ({"tools": ["a", "a"]}, "tools"),
        ({"tools": [f"t{n}" for n in range(65)]}, "tools"),
        ({"tools": "a"}, "tools"),
        ({"id": "../a"}, "id"),
        ({"prompt": "a"}, "prompt"),
        ({"document": "a"}, "document"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_can_be_no_agent_is_refused_by_name(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AgentInput.model_validate(asked)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) in (field, f"{field}.str", f"{field}.list[constrained-str]")
