"""What `PUT /agents/{agent_id}` is asked."""

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from core.agents.agent import AGENT_ID_PATTERN, AgentChange
from core.agents.rules import AgentName, AgentOptions, MarkdownContext, SystemPrompt, ToolNames, told_options
from core.model.sampling import Sampling
from core.providers.catalogue.models import ModelName

_ANSWERS = ("id", "owner", "editable", "etag")
"""Members of an answer, so that what was got can be put back."""
_EMPTY: dict[str, Any] = {"markdown_context": "", "model": None, "options": {}, "tools": []}


class AgentInput(BaseModel):
    """What is left out keeps its value; null, where it may be, takes it away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "reviewer",
                    "name": "Reviewer",
                    "system_prompt": "You are Reviewer, a precise PR reviewer.",
                    "markdown_context": "- Keep responses focused on regressions.\n",
                },
                {"options": {"temperature": 0.2}},
            ]
        },
    )

    id: str | None = Field(None, pattern=AGENT_ID_PATTERN, description="If at all, the one of the path.")
    name: AgentName = Field(default_factory=str, description="One line. A new agent has to have one, and a prompt.")
    system_prompt: SystemPrompt = Field(default_factory=str)
    markdown_context: MarkdownContext | None = Field(None, description="Goes after the prompt, in the same message.")
    model: ModelName | None = Field(None, description="Asked where a question names none.")
    options: AgentOptions | None = Field(None, description="All of them; a question's own go before.")
    tools: ToolNames | None = Field(None, description="By name.")
    owner: str | None = Field(None, description="Of an answer, as the next two: not looked at.")
    editable: bool | None = None
    etag: str | None = None

    def change(self) -> AgentChange:
        given = {name: getattr(self, name) for name in self.model_fields_set if name not in _ANSWERS}
        values = {name: _EMPTY[name] if value is None else value for name, value in given.items()}
        if isinstance(options := values.get("options"), Sampling):
            values["options"] = told_options(options)
        return cast(AgentChange, values)
