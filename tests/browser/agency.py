"""A real stack whose agents have tools, and whose model does as it is told: the demo provider."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.browser import held_tool
from tests.client import get
from tests.patience import PATIENCE_SECONDS
from tests.stack import Stack

TOOLS = """
[tools.calculator]
builtin = "calculator"

[tools.hold]
python = "tests.browser.held_tool:hold"
"""
Json = dict[str, Any]


class Agency:
    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.api = stack.start_api()
        self._folder = folder

    def make(self, agent_id: str | None = None, **members: Any) -> str:
        """An agent's id."""
        agent_id = agent_id or f"agent-{secrets.token_hex(4)}"
        usual = {"name": agent_id, "system_prompt": "You answer.", "tools": ["calculator", "hold"]}
        self.change(agent_id, **{**usual, **members})
        return agent_id

    def change(self, agent_id: str, **members: Any) -> None:
        url = f"{self.api.url}/agents/{agent_id}"
        httpx.put(url, json=members, timeout=PATIENCE_SECONDS).raise_for_status()

    def read(self, agent_id: str) -> Json:
        agent: Json = get(f"{self.api.url}/agents/{agent_id}").raise_for_status().json()
        return agent

    def delete(self, agent_id: str) -> None:
        httpx.delete(f"{self.api.url}/agents/{agent_id}", timeout=PATIENCE_SECONDS).raise_for_status()

    def turns(self, session_id: str) -> list[Json]:
        turns: list[Json] = get(f"{self.api.url}/sessions/{session_id}").raise_for_status().json()["turns"]
        return turns

    def ask(self, session_id: str, message: str, **fields: Any) -> Json:
        body = {"message": message, "session_id": session_id, **fields}
        response = httpx.post(f"{self.api.url}/chat", json=body, timeout=PATIENCE_SECONDS)
        accepted: Json = response.raise_for_status().json()
        return accepted

    def let(self, word: str) -> None:
        """The tool that holds it may answer."""
        held_tool.let(self._folder, word)


def new_word() -> str:
    return f"word-{secrets.token_hex(4)}"


@contextmanager
def start_agency(home: Path, **environment: str) -> Iterator[Agency]:
    tools, folder = home / "tools.toml", home / "held"
    tools.write_text(TOOLS)
    folder.mkdir()
    ours = {"OPENAI_API_KEY": "", "TOOLS_FILE": str(tools), "AGENTS_DIR": str(home / "agents"), "TOOL_SECONDS": "900"}
    with Stack(home, **ours, **{held_tool.FOLDER: str(folder)}, **environment) as stack:
        agency = Agency(stack, folder)
        stack.start_worker()
        yield agency
