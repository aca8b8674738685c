"""What `POST /chat` is asked, and the turn that it becomes."""

import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.inputs.labels import Label, Metadata
from api.inputs.messages import MAX_MESSAGES, MAX_TOOLS, ChosenTool, InputMessage, MessageText, ResponseFormat, Tool
from core.agents.agent import AGENT_ID_PATTERN, Agent, AgentSnapshot
from core.model.context import RequestContext
from core.model.keys import SESSION_ID_PATTERN
from core.model.sampling import Sampling
from core.model.storable import Storable
from core.providers.catalogue.models import ModelName
from core.store.turns.records import Labels, NewTurn

SessionId = Annotated[
    str,
    Field(pattern=SESSION_ID_PATTERN, description="Letters, digits, _ and -, at most 128.", examples=["demo-1"]),
]


_INPUTS = ("tools", "tool_choice", "response_format", "provider_options")
"""Options that a turn keeps with its messages."""


class Options(Sampling):
    """With tools, and the form of the answer."""

    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS), Storable] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChosenTool | None = None
    response_format: Annotated[ResponseFormat, Storable] | None = None
    provider_options: Annotated[dict[str, Any], Storable] | None = Field(
        None,
        description="Members of the service's own request, as far as the operator's MODELS_FILE allows them.",
    )


class ChatRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"message": "Hello!"},
                {"message": "And in French?", "session_id": "demo-1"},
                {"message": "Hello!", "mode": "direct", "options": {"temperature": 0.2}},
                {"message": "Hello!", "goal_id": "goal-7", "run_id": "run-1", "metadata": {"team": "search"}},
                {
                    "messages": [
                        {"role": "system", "content": "Answer in verse."},
                        {"role": "user", "content": "Hello!"},
                    ],
                    "model": "anthropic/claude-haiku-5-5",
                },
            ]
        },
    )

    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=MAX_MESSAGES), Storable] | None = Field(
        None, description="In place of `message`: the whole conversation, as OpenAI's chat completions have it."
    )
    message: MessageText | None = Field(
        None, validate_default=True, description="Is asked after the session's history."
    )
    session_id: SessionId | None = Field(None, description="Continues a session; the API makes one up without it.")
    mode: Literal["queue", "direct"] = Field(
        "queue", description="direct skips the queue and ends with its connection."
    )
    stream: bool | None = Field(
        None, description="false: the answer whole, as JSON, once it is finished. true: as events, if `Accept` agrees."
    )
    agent_id: str | None = Field(
        None,
        pattern=AGENT_ID_PATTERN,
        description="Who answers: its prompt takes the place of SYSTEM_PROMPT, its model and options are for what the "
        "question does not say. The turn keeps a copy of what the agent was.",
        examples=["planner"],
    )
    model: ModelName | None = None
    options: Options = Field(default_factory=Options)
    replaces: int | None = Field(
        None, ge=1, strict=True, description="The session's latest, finished turn, whose answer this one replaces."
    )
    goal_id: Label | None = Field(
        None, description="What the turn belongs to, as are the next three: told again, and looked for, by these words."
    )
    work_item_id: Label | None = None
    run_id: Label | None = None
    metadata: Metadata | None = Field(
        None, description="Labels of your own. A name with a colon cannot be looked for.", examples=[{"team": "search"}]
    )

    @field_validator("message")
    @classmethod
    def _asks_once(cls, message: str | None, known: ValidationInfo) -> str | None:
        if "messages" in known.data and (message is None) == (known.data["messages"] is None):
            raise ValueError("there must be either message or messages")
        return message

    @property
    def question(self) -> str:
        """What the turn shows: the last words of the user's."""
        if self.messages is None:
            return self.message or ""
        asked = [message.text() for message in self.messages if message.role == "user"]
        return next(filter(str.strip, reversed(asked)), "…")

    @property
    def chars(self) -> int:
        """Of all that is asked, but for data."""
        if self.messages is None:
            return len(self.question)
        calls = [call for message in self.messages for call in message.tool_calls or []]
        said = sum(len(message.text()) + len(message.reasoning_content or "") for message in self.messages)
        return said + sum(len(call.function.arguments) for call in calls)

    def new_turn(
        self,
        default_model: str,
        api_process_id: str,
        context: RequestContext,
        agent: Agent | None = None,
        snapshot: AgentSnapshot | None = None,
    ) -> NewTurn:
        """What is stored, and of the agent `snapshot`. `api_process_id`: of this process, which answers by itself in
        direct mode."""
        options = self.options.model_dump(exclude_none=True, by_alias=True)
        asked: dict[str, Any] = {name: options.pop(name) for name in _INPUTS if name in options}
        if agent is not None:
            asked["agent"] = snapshot
            options = {**agent.options, **options}
            default_model = agent.model or default_model
        if self.messages is not None:
            asked["messages"] = [message.stored() for message in self.messages]
        return NewTurn(
            session_id=self.session_id or secrets.token_urlsafe(16),
            mode=self.mode,
            model=self.model or default_model,
            message=self.question,
            input=asked or None,
            options=options,
            replaces=self.replaces,
            labels=Labels(self.goal_id, self.work_item_id, self.run_id, self.metadata or {}),
            owner=api_process_id if self.mode == "direct" else None,
            context=context,
        )
