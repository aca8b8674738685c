"""Settings: who answers under a name, and with which tools."""

from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath
from pydantic_settings import BaseSettings


class AgentSettings(BaseSettings):
    agents_store: Literal["files", "database"] = Field(
        "files", description="files: in AGENTS_DIR. database: in DATABASE_URL's, where there is more than one machine."
    )
    agents_dir: Path = Field(
        Path("data/agents"),
        description="Folder of the agents, <id>.md each; on a disk of this machine, no share of a network's.",
    )
    tools_file: FilePath | None = Field(
        None,
        description="TOML file of the tools that agents may use; tools.example.toml shows all of it. Without one: "
        "current_time and calculator.",
    )
    max_steps: int = Field(10, ge=1, le=100, description="Passes through the model in one turn.")
    max_tool_calls: int = Field(32, ge=1, le=1000, description="Calls of tools in one turn.")
    tool_seconds: float = Field(30, gt=0, le=3600, description="Longest call of a tool; then the model is told so.")
    max_tool_result_chars: int = Field(
        32_000, ge=1000, le=1_000_000, description="Longest result of a tool, in characters; the rest is cut off."
    )
    parallel_tool_calls: int = Field(4, ge=1, le=100, description="Calls of one turn that run at the same time.")
