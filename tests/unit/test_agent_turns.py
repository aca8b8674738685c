"""A turn that an agent answers: it keeps a copy of the agent, and its model is asked with that."""

from typing import Any

import pytest

from api.inputs.chat import ChatRequest
from api.turn_views import TurnView
from core.agents.agent import Agent
from core.model.context import RequestContext
from core.model.errors import Upgrading
from core.providers.base import Message
from core.providers.catalogue.models import Model
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import NewTurn, Turn
from core.turns.attempts.compatibility import AGENTS_FORMAT, check_agents
from core.turns.attempts.prompt import Prompt
from core.version import FORMAT

pytestmark = pytest.mark.anyio

AGENT = Agent(
    id="reviewer",
    name="Reviewer",
    system_prompt="You are Reviewer.",
    markdown_context="- Be brief.\n",
    model="of-the-agent",
    options={"temperature": 0.5, "seed": 1},
    tools=["clock"],
)
MODEL = Model(name="m", provider="demo")
OF_THE_OPERATOR = Settings(system_prompt="of the operator")


def turn_of(agent: Agent | None = AGENT, **asked: Any) -> NewTurn:
    snapshot = agent.snapshot(agent.tools, "alice") if agent is not None else None
    asked_for = ChatRequest.model_validate({"message": "Hi", **asked})
    return asked_for.new_turn("usual", "api", RequestContext(), agent, snapshot)


async def stored(store: Store, new: NewTurn) -> Turn:
    return await store.turns.get((await store.turns.create(new)).turn.key)


def test_a_turn_keeps_what_the_agent_was() -> None:
    assert turn_of().input == {
        "agent": {
            "id": "reviewer",
            "name": "Reviewer",
            "version": AGENT.version,
            "system": "You are Reviewer.\n\n- Be brief.",
            "tools": ["clock"],
            "key_name": "alice",
        }
    }
    assert turn_of(None).input is None


def test_what_the_question_says_goes_before_what_the_agent_says() -> None:
    assert (turn_of().model, turn_of().options) == ("of-the-agent", {"temperature": 0.5, "seed": 1})
    turn = turn_of(model="of-the-question", options={"temperature": 0, "top_p": 0.1, "seed": None})
    assert (turn.model, turn.options) == ("of-the-question", {"temperature": 0, "top_p": 0.1, "seed": 1})
    plain = Agent(id="a", name="A", system_prompt="You are A.")
    assert (turn_of(plain).model, turn_of(plain).options) == ("usual", {})


async def test_its_prompt_takes_the_place_of_the_operator_s(store: Store) -> None:
    turn = await stored(store, turn_of())
    system = Message("system", "You are Reviewer.\n\n- Be brief.")
    assert Prompt(turn, OF_THE_OPERATOR).request(MODEL, 1).messages == [system, Message("user", "Hi")]
    own = turn_of(message=None, messages=[{"role": "system", "content": "own"}, {"role": "user", "content": "Hi"}])
    assert Prompt(await stored(store, own), OF_THE_OPERATOR).request(MODEL, 1).messages == [
        system,
        Message("system", "own"),
        Message("user", "Hi"),
    ]


async def test_without_one_the_operator_s_stays(store: Store) -> None:
    messages = Prompt(await stored(store, turn_of(None)), OF_THE_OPERATOR).request(MODEL, 1).messages
    assert messages[0] == Message("system", "of the operator")


async def test_a_session_shows_who_was_asked(store: Store) -> None:
    shown = TurnView.of(await stored(store, turn_of())).agent
    assert shown is not None
    assert shown.model_dump() == {"id": "reviewer", "name": "Reviewer", "version": AGENT.version}


async def test_and_where_nobody_was_asked_says_so(store: Store) -> None:
    assert TurnView.of(await stored(store, turn_of(None))).agent is None


def test_a_turn_is_not_queued_for_whom_would_leave_the_prompt_out() -> None:
    check_agents(FORMAT)
    with pytest.raises(Upgrading) as refused:
        check_agents(AGENTS_FORMAT - 1)
    assert refused.value.retry_after is not None
