"""What an agent may be: the limits of its members, for whoever makes one, by the API or by hand."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from core.api_keys import NAME as KEY_NAME
from core.model.sampling import Sampling
from core.model.storable import Storable, check_line
from core.providers.catalogue.models import ModelName
from core.tools.base import TOOL_NAME_PATTERN

NAME_CHARS = 200
PROMPT_CHARS = 32_000
"""As many as the longest message has: about 8,000 tokens."""
CONTEXT_CHARS = 100_000
MAX_TOOLS = 64
STOP_CHARS = 1_000
"""Of each text at which an answer is to stop."""


def _check_prompt(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("must not be blank")
    return prompt


def _check_options(options: Sampling) -> Sampling:
    stop = options.stop or []
    if any(len(text) > STOP_CHARS for text in ([stop] if isinstance(stop, str) else stop)):
        raise ValueError(f"stop has at most {STOP_CHARS} characters")
    return options


def _check_once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("must not name a tool twice")
    return names


def _check_owner(name: str) -> str:
    if not KEY_NAME.match(name):
        raise ValueError("must be the name of an API key")
    return name


AgentName = Annotated[str, Field(min_length=1, max_length=NAME_CHARS), AfterValidator(check_line)]
SystemPrompt = Annotated[str, Field(min_length=1, max_length=PROMPT_CHARS), Storable, AfterValidator(_check_prompt)]
MarkdownContext = Annotated[str, Field(max_length=CONTEXT_CHARS), Storable]
AgentOptions = Annotated[Sampling, AfterValidator(_check_options)]
ToolNames = Annotated[
    list[Annotated[str, Field(pattern=TOOL_NAME_PATTERN)]], Field(max_length=MAX_TOOLS), AfterValidator(_check_once)
]
OwnerName = Annotated[str, AfterValidator(_check_owner)]


class AgentRules(BaseModel):
    """All members together; others are not looked at."""

    name: AgentName
    system_prompt: SystemPrompt
    markdown_context: MarkdownContext = ""
    model: ModelName | None = None
    options: AgentOptions = Field(default_factory=Sampling)
    tools: ToolNames = []
    owner: OwnerName | None = None

    def members(self) -> dict[str, Any]:
        """By the names of `Agent`."""
        return {**self.model_dump(exclude={"options"}), "options": told_options(self.options)}


def told_options(options: Sampling) -> dict[str, Any]:
    """Those that are set."""
    return options.model_dump(exclude_none=True)
