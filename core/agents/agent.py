"""An agent: who answers under a name. The record that the registry hands out, and the copy that a turn keeps of it."""

import hashlib
import re
from functools import cached_property
from typing import Any, TypedDict

import msgspec

AGENT_ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""For pydantic, whose `$` is the very end of the text. In a folder it is the file's name as well."""
VERSION_CHARS = 16
"""Of a digest: 64 bits tell the versions of one agent apart."""

_ID = re.compile(AGENT_ID_PATTERN.removesuffix("$"))


class AgentSnapshot(TypedDict):
    """An agent as it was when a turn was asked of it."""

    id: str
    name: str
    version: str
    system: str
    tools: list[str]
    """By name, of those that the turn may use."""
    key_name: str | None
    """Of the API key that asked."""


class Agent(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What each member may be is in `core.agents.rules`."""

    id: str
    name: str
    system_prompt: str
    markdown_context: str = ""
    model: str | None = None
    """None: the default one."""
    options: dict[str, Any] = {}
    """Sampling options that are set."""
    tools: list[str] = []
    """By name."""
    owner: str | None = None
    """The name of the API key that it belongs to; None: the operator's."""
    document: str | None = None
    """The file that it was read from, whose other keys, comments and layout are kept; no part of its version."""

    @cached_property
    def version(self) -> str:
        """Another one whenever it is another agent: the text of its strong entity tag (RFC 9110, 8.8.3)."""
        told = msgspec.json.encode(msgspec.structs.replace(self, document=None), order="sorted")
        return hashlib.sha256(told).hexdigest()[:VERSION_CHARS]

    def prompt(self) -> str:
        """The one system message that a model gets: many chat templates have room for no more."""
        parts = (self.system_prompt, self.markdown_context)
        return "\n\n".join(part.strip("\r\n") for part in parts if part.strip())

    def snapshot(self, tools: list[str], key_name: str | None) -> AgentSnapshot:
        """What a turn keeps: its answer is this agent's, whatever becomes of the agent. `tools`: those of its own that
        the turn may use, for the API key of this name."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "system": self.prompt(),
            "tools": tools,
            "key_name": key_name,
        }


class AgentChange(TypedDict, total=False):
    """Members that get another value, each as the rules have it."""

    name: str
    system_prompt: str
    markdown_context: str
    model: str | None
    options: dict[str, Any]
    tools: list[str]
    owner: str | None
    document: str | None


def is_agent_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None
