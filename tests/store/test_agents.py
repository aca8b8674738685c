"""Agents in either database."""

from collections.abc import AsyncIterator, Callable

import pytest

from core.agents.registry import AgentRegistry, Allowed
from core.store.store import Store
from tests.unit.agents.conformance import RegistryConformance

pytestmark = pytest.mark.anyio


class TestStoredAgents(RegistryConformance):
    @pytest.fixture
    def make_registry(self, store: Store) -> Callable[..., AgentRegistry]:
        def make(allowed: Allowed | None = None) -> AgentRegistry:
            return AgentRegistry(store.agents, allowed)

        return make

    @pytest.fixture
    def registry(self, make_registry: Callable[..., AgentRegistry]) -> AgentRegistry:
        return make_registry()

    @pytest.fixture
    async def neighbour(self, url: str) -> AsyncIterator[AgentRegistry]:
        another = Store(url)
        await another.open()
        yield AgentRegistry(another.agents)
        await another.close()
