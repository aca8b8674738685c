"""Views of agents; see `api.views`."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from api.http.conditions import entity_tag
from core.agents.agent import Agent
from core.store.reach import Reach


class AgentView(BaseModel):
    id: str = Field(examples=["planner"])
    name: str
    system_prompt: str
    markdown_context: str = Field(description="Goes after the prompt, in the same message.")
    model: str | None = Field(description="Asked where a question names none; null: the default one.")
    options: dict[str, Any] = Field(description="Sampling options of `POST /chat`, as far as they are set.")
    tools: list[str] = Field(description="By name.")
    owner: str | None = Field(description="The name of the API key that it belongs to; null: the operator's.")
    editable: bool = Field(description="Whether this caller may change it.")
    etag: str = Field(description="Another one with each change: as `If-Match` takes it.")

    @classmethod
    def of(cls, agent: Agent, reach: Reach) -> "AgentView":
        return cls(
            id=agent.id,
            name=agent.name,
            system_prompt=agent.system_prompt,
            markdown_context=agent.markdown_context,
            model=agent.model,
            options=agent.options,
            tools=agent.tools,
            owner=agent.owner,
            editable=reach.may_change(agent.owner),
            etag=entity_tag(agent.version),
        )


class AgentList(BaseModel):
    agents: list[AgentView]

    @staticmethod
    def encode(agents: Iterable[Agent], reach: Reach) -> bytes:
        """As JSON. For a thread: it may be a hundred megabytes, and lets others in between two agents."""
        return b'{"agents":[%b]}' % b",".join(AgentView.of(agent, reach).model_dump_json().encode() for agent in agents)
