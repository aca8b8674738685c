"""What every registry of agents keeps to, wherever it keeps them: a class of tests that each backend's tests inherit.

A fixture `registry` gives an empty one, and `neighbour` the one that another process has at the same place.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import pytest

from core.agents import backend
from core.agents.agent import Agent, AgentChange
from core.agents.defaults import DEFAULT_AGENTS
from core.agents.errors import AgentNotYours, InvalidAgent, TooManyAgents
from core.agents.registry import AgentRegistry, Put
from core.model.errors import NotFound, PreconditionFailed
from core.store.reach import EVERYTHING, Reach

ALICE, BOB = Reach("alice"), Reach("bob")
WHOLE: AgentChange = {
    "name": 'Prüferin 👩‍🚀: "a" #1',
    "system_prompt": "You are: precise.\n\n- [ ] one  \n\ttwo\n---\n",
    "markdown_context": "\n# Notes\r\n---\n\ttabs, \u2028 and \x1b\n\n",
    "model": "anthropic/claude:#1",
    "options": {"temperature": 0.2, "stop": ["\n", " end: "], "seed": 10**30, "reasoning_effort": "low"},
    "tools": ["calculator", "on", "1"],
}
"""All that an agent can have, and what would be lost first."""


def named(name: str, **more: Any) -> AgentChange:
    return cast(AgentChange, {"name": name, "system_prompt": f"You are {name}.", **more})


async def ids(registry: AgentRegistry, reach: Reach = EVERYTHING) -> list[str]:
    return [agent.id for agent in await registry.list(reach)]


class RegistryConformance:
    async def test_a_whole_agent_comes_back_as_it_was(self, registry: AgentRegistry, neighbour: AgentRegistry) -> None:
        agent, created = await registry.put("all-of_it", WHOLE, ALICE)
        assert created
        for one in (registry, neighbour):
            found = await one.get("all-of_it", ALICE)
            assert {name: getattr(found, name) for name in WHOLE} == WHOLE
            assert (found.id, found.owner, found.version) == ("all-of_it", "alice", agent.version)
            assert [each.version for each in await one.list(ALICE)] == [agent.version]

    async def test_members_that_are_not_given_keep_their_value(self, registry: AgentRegistry) -> None:
        first, _ = await registry.put("a", WHOLE, EVERYTHING)
        second, created = await registry.put("a", {"name": "B", "options": {}}, EVERYTHING)
        assert not created
        assert (second.name, second.options, second.owner) == ("B", {}, None)
        for member in ("system_prompt", "markdown_context", "model", "tools"):
            assert getattr(second, member) == WHOLE[member]
        assert second.version != first.version
        third, _ = await registry.put("a", {"model": None, "tools": [], "markdown_context": ""}, EVERYTHING)
        assert (third.model, third.tools, third.markdown_context) == (None, [], "")

    async def test_the_same_again_is_no_change(self, registry: AgentRegistry) -> None:
        first, _ = await registry.put("a", WHOLE, EVERYTHING)
        for change in (WHOLE, cast(AgentChange, {})):
            assert await registry.put("a", change, EVERYTHING) == Put(first, created=False)

    async def test_what_was_changed_back_has_the_version_that_it_had(self, registry: AgentRegistry) -> None:
        versions = [(await registry.put("a", named(name), EVERYTHING)).agent.version for name in ("A", "B", "A")]
        assert versions[0] == versions[2] != versions[1]

    async def test_they_are_listed_by_their_ids(self, registry: AgentRegistry) -> None:
        assert await ids(registry) == []
        for agent_id in ("b", "a", "a-1", "0", "b_"):
            await registry.put(agent_id, named(agent_id), EVERYTHING)
        assert await ids(registry) == sorted(("b", "a", "a-1", "0", "b_"))

    @pytest.mark.parametrize("missing", ["name", "system_prompt"])
    async def test_a_new_one_needs_a_name_and_a_prompt(self, registry: AgentRegistry, missing: str) -> None:
        change = {name: value for name, value in named("A").items() if name != missing}
        with pytest.raises(InvalidAgent, match=missing) as refused:
            await registry.put("a", cast(AgentChange, change), EVERYTHING)
        assert refused.value.field == missing
        assert await ids(registry) == []

    async def test_a_deleted_one_is_gone(self, registry: AgentRegistry, neighbour: AgentRegistry) -> None:
        await registry.put("a", named("A"), EVERYTHING)
        await neighbour.delete("a", EVERYTHING)
        for asking in (registry.get("a", EVERYTHING), registry.delete("a", EVERYTHING)):
            with pytest.raises(NotFound):
                await asking
        assert (await registry.put("a", named("again"), EVERYTHING)).created

    @pytest.mark.parametrize(
        "agent_id", ["", ".", "..", "../a", "a/b", "a\\b", "A", "ä", "-a", "_a", "a.md", "a\0", "a\n", "a b", "x" * 65]
    )
    async def test_what_can_be_no_id_is_none(self, registry: AgentRegistry, agent_id: str) -> None:
        for asking in (registry.get(agent_id, EVERYTHING), registry.delete(agent_id, EVERYTHING)):
            with pytest.raises(NotFound):
                await asking
        with pytest.raises(InvalidAgent) as refused:
            await registry.put(agent_id, named("A"), EVERYTHING)
        assert refused.value.field == "id"
        assert await ids(registry) == []

    async def test_the_longest_id(self, registry: AgentRegistry) -> None:
        await registry.put("x" * 64, named("X"), EVERYTHING)
        assert await ids(registry) == ["x" * 64]

    async def test_a_change_may_ask_for_the_version_that_was_seen(self, registry: AgentRegistry) -> None:
        seen = (await registry.put("a", named("A"), EVERYTHING)).agent.version
        for number, others in enumerate(((), ("other",))):
            seen = (await registry.put("a", {"name": f"{number}"}, EVERYTHING, (*others, seen))).agent.version
        seen = (await registry.put("a", {"name": "any"}, EVERYTHING, ("*",))).agent.version
        for wrong in ((), ("other",), ("any",)):
            for asking in (
                registry.put("a", {"name": "lost"}, EVERYTHING, wrong),
                registry.delete("a", EVERYTHING, wrong),
            ):
                with pytest.raises(PreconditionFailed):
                    await asking
        assert (await registry.get("a", EVERYTHING)).version == seen
        await registry.delete("a", EVERYTHING, (seen,))

    async def test_no_version_matches_what_is_not_there(self, registry: AgentRegistry) -> None:
        for versions in ((), ("*",), ("x",)):
            with pytest.raises(PreconditionFailed):
                await registry.put("a", named("A"), EVERYTHING, versions)
        with pytest.raises(NotFound):
            await registry.delete("a", EVERYTHING, ("*",))
        assert await ids(registry) == []

    async def test_one_that_may_only_be_made_is_not_changed(self, registry: AgentRegistry) -> None:
        assert (await registry.put("a", named("A"), EVERYTHING, create_only=True)).created
        with pytest.raises(PreconditionFailed):
            await registry.put("a", named("B"), EVERYTHING, create_only=True)
        assert (await registry.get("a", EVERYTHING)).name == "A"

    async def test_of_changes_to_one_version_one_succeeds(
        self, registry: AgentRegistry, neighbour: AgentRegistry
    ) -> None:
        for number in range(5):
            seen = (await registry.put("a", named(f"A{number}"), EVERYTHING)).agent.version
            names = [f"{number} {n}" for n in range(8)]
            done = await asyncio.gather(
                *(
                    (registry, neighbour)[n % 2].put("a", {"name": name}, EVERYTHING, (seen,))
                    for n, name in enumerate(names)
                ),
                return_exceptions=True,
            )
            (winner,) = [put.agent.name for put in done if isinstance(put, Put)]
            assert all(isinstance(other, Put | PreconditionFailed) for other in done)
            assert (await neighbour.get("a", EVERYTHING)).name == winner

    async def test_of_those_that_want_one_id_one_gets_it(
        self, registry: AgentRegistry, neighbour: AgentRegistry
    ) -> None:
        reaches = [Reach(f"key-{n}") for n in range(8)]
        done = await asyncio.gather(
            *((registry, neighbour)[n % 2].put("a", named("A"), reach) for n, reach in enumerate(reaches)),
            return_exceptions=True,
        )
        (winner,) = [put.agent.owner for put in done if isinstance(put, Put)]
        assert all(isinstance(other, Put | AgentNotYours) for other in done)
        assert (await neighbour.get("a", EVERYTHING)).owner == winner

    async def test_changes_of_different_members_at_once_are_all_kept(
        self, registry: AgentRegistry, neighbour: AgentRegistry
    ) -> None:
        await registry.put("a", named("A"), EVERYTHING)
        changes: list[AgentChange] = [
            {"model": "m"},
            {"tools": ["t"]},
            {"markdown_context": "c"},
            {"options": {"seed": 1}},
        ]
        await asyncio.gather(
            *((registry, neighbour)[n % 2].put("a", change, EVERYTHING) for n, change in enumerate(changes))
        )
        agent = await registry.get("a", EVERYTHING)
        assert (agent.model, agent.tools, agent.markdown_context, agent.options) == ("m", ["t"], "c", {"seed": 1})

    async def test_a_key_finds_its_own_and_the_operator_s(self, registry: AgentRegistry) -> None:
        await registry.put("operators", named("O"), EVERYTHING)
        for reach in (ALICE, BOB):
            assert (await registry.put(f"of-{reach.key_name}", named("K"), reach)).agent.owner == reach.key_name
        assert await ids(registry, ALICE) == ["of-alice", "operators"]
        assert await ids(registry, BOB) == ["of-bob", "operators"]
        assert await ids(registry) == ["of-alice", "of-bob", "operators"]
        assert (await registry.get("operators", ALICE)).owner is None
        for asking in (registry.get("of-bob", ALICE), registry.delete("of-bob", ALICE)):
            with pytest.raises(NotFound):
                await asking

    async def test_a_key_changes_its_own_alone(self, registry: AgentRegistry) -> None:
        await registry.put("operators", named("O"), EVERYTHING)
        await registry.put("mine", named("M"), ALICE)
        changed, _ = await registry.put("mine", {"name": "Mine"}, ALICE)
        assert (changed.name, changed.owner) == ("Mine", "alice")
        for asking, words in (
            (registry.put("operators", {"name": "x"}, ALICE), "operator's.*under another id"),
            (registry.put("mine", named("x"), BOB), "taken.*another"),
            (registry.put("mine", named("x"), BOB, create_only=True), "taken"),
            (registry.delete("operators", ALICE), "operator's"),
        ):
            with pytest.raises(AgentNotYours, match=words):
                await asking
        assert [agent.name for agent in await registry.list(EVERYTHING)] == ["Mine", "O"]
        await registry.delete("mine", ALICE)

    async def test_without_keys_everybody_changes_everything(self, registry: AgentRegistry) -> None:
        await registry.put("mine", named("M"), ALICE)
        changed, _ = await registry.put("mine", {"name": "x"}, EVERYTHING)
        assert (changed.name, changed.owner) == ("x", "alice")
        await registry.delete("mine", EVERYTHING)

    async def test_there_are_usual_ones_where_there_are_none(
        self, registry: AgentRegistry, neighbour: AgentRegistry
    ) -> None:
        await asyncio.gather(*(one.make_defaults() for one in (registry, neighbour) * 4))
        usual = [(agent.id, agent.version) for agent in DEFAULT_AGENTS]
        assert [(agent.id, agent.version) for agent in await neighbour.list(ALICE)] == usual
        await registry.delete(DEFAULT_AGENTS[0].id, EVERYTHING)
        await neighbour.make_defaults()
        assert await ids(registry) == [DEFAULT_AGENTS[1].id]

    async def test_there_is_a_bound_to_their_number(
        self, registry: AgentRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend, "MAX_AGENTS", 2)
        for agent_id in ("a", "b"):
            await registry.put(agent_id, named("X"), EVERYTHING)
        with pytest.raises(TooManyAgents, match="2"):
            await registry.put("c", named("X"), EVERYTHING)
        await registry.put("b", named("Y"), EVERYTHING)
        await registry.delete("a", EVERYTHING)
        await registry.put("c", named("X"), EVERYTHING)

    async def test_a_key_leaves_room_for_others(self, registry: AgentRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backend, "MAX_OWN_AGENTS", 2)
        for agent_id in ("a", "b"):
            await registry.put(agent_id, named("X"), ALICE)
        with pytest.raises(TooManyAgents, match="this API key has 2"):
            await registry.put("c", named("X"), ALICE)
        await registry.put("b", named("Y"), ALICE)
        await registry.put("c", named("X"), BOB)
        for agent_id in ("d", "e", "f"):
            await registry.put(agent_id, named("X"), EVERYTHING)
        assert await ids(registry, ALICE) == ["a", "b", "d", "e", "f"]

    async def test_tools_are_checked_where_somebody_can(self, make_registry: Callable[..., AgentRegistry]) -> None:
        asked: list[tuple[Sequence[str], str | None]] = []

        def allowed(names: Sequence[str], key_name: str | None) -> Collection[str]:
            asked.append((names, key_name))
            return {"clock"}

        registry = make_registry(allowed)
        await registry.put("a", named("A", tools=["clock"]), ALICE)
        await registry.put("a", {"name": "B"}, ALICE)
        with pytest.raises(InvalidAgent, match="dice, rm") as refused:
            await registry.put("a", {"tools": ["clock", "dice", "rm"]}, ALICE)
        assert refused.value.field == "tools"
        assert asked == [(["clock"], "alice"), (["clock", "dice", "rm"], "alice")]
        assert (await registry.get("a", ALICE)).tools == ["clock"]

    async def test_what_other_agents_have_is_left_alone(self, registry: AgentRegistry) -> None:
        before = [(await registry.put(agent_id, named(agent_id), EVERYTHING)).agent for agent_id in ("a", "c")]
        await registry.put("b", WHOLE, EVERYTHING)
        await registry.put("b", {"name": "B"}, EVERYTHING)
        await registry.delete("b", EVERYTHING)
        after: Sequence[Agent] = await registry.list(EVERYTHING)
        assert [agent.version for agent in after] == [agent.version for agent in before]
