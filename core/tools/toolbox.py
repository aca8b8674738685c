"""The tools that there are, by TOOLS_FILE: who may use them, how a model sees them, and how they are called."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.extras import require_extra
from core.settings import Settings
from core.tools.base import Tool, ToolSpec
from core.tools.file import BuiltInName, ServerTable, ToolsFile, ToolTable, read_tools, tool_of_server
from core.tools.mcp.server import McpServer, McpTool
from core.tools.python import PythonTool

FOLDERS = Path("data/tools")
"""Each server that is a command has one of its own below."""


class _BuiltIn(NamedTuple):
    function: str
    description: str


BUILT_INS: dict[BuiltInName, _BuiltIn] = {
    "current_time": _BuiltIn(
        "core.tools.builtin.clock:current_time", "Tells the date and the time of now, in any time zone."
    ),
    "calculator": _BuiltIn(
        "core.tools.builtin.calculator:calculate",
        "Calculates an expression of numbers, + - * / // % ** and brackets, exactly where that can be. Functions: abs, "
        "round(x, digits), floor, ceil, min, max, sqrt, exp, ln, log (to base 10, or log(x, base)), sin, cos, tan (of "
        "radians). Constants: pi, e.",
    ),
}
USUAL = ToolsFile(tools={name: ToolTable(builtin=name) for name in BUILT_INS})
"""Where there is no TOOLS_FILE."""


class _Entry(NamedTuple):
    tool: Tool
    description: str | None
    """None where only its code, or its server, knows."""
    keys: list[str] | None
    """Of those who may use it; None: everybody."""


class Toolbox:
    def __init__(self, settings: Settings) -> None:
        """Loads no tool and asks no server. Raises SystemExit for a file that is no good, or a package that is
        missing."""
        file = read_tools(settings.tools_file) if settings.tools_file else USUAL
        if file.servers:
            require_extra("mcp", "TOOLS_FILE")
        self._entries = {name: _function(name, table) for name, table in file.tools.items()}
        self._servers: list[McpServer] = []
        for name, table in file.servers.items():
            self._add_server(name, table)

    def listed(self, key_name: str | None) -> list[tuple[str, str | None]]:
        """Names and descriptions of what this key may use."""
        return [(name, entry.description) for name, entry in self._entries.items() if _may_use(entry, key_name)]

    def allowed(self, names: Iterable[str], key_name: str | None) -> list[str]:
        """Those that there are, and that this key may use, in order."""
        return [name for name in names if name in self._entries and _may_use(self._entries[name], key_name)]

    def tool(self, name: str) -> Tool | None:
        entry = self._entries.get(name)
        return entry and entry.tool

    async def specs(self, names: Iterable[str]) -> list[ToolSpec]:
        """Of those that are to be had now, in order."""
        tools = [tool for name in names if (tool := self.tool(name))]
        specs = await asyncio.gather(*(tool.spec() for tool in tools))
        return [spec for spec in specs if spec is not None]

    async def close(self) -> None:
        """Ends the servers' connections and processes; may be called again."""
        await asyncio.gather(*(server.close() for server in self._servers))

    def _add_server(self, name: str, table: ServerTable) -> None:
        server = McpServer(name, table, table.folder or FOLDERS / name)
        self._servers.append(server)
        for tool in table.tools:
            prefixed = tool_of_server(name, tool)
            idempotent = tool in table.idempotent
            self._entries[prefixed] = _Entry(McpTool(prefixed, tool, server, idempotent), None, table.keys)


def _function(name: str, table: ToolTable) -> _Entry:
    if table.builtin is None:
        reference, description, idempotent = table.python or "", table.description, table.idempotent
    else:
        built_in = BUILT_INS[table.builtin]
        reference, description, idempotent = built_in.function, table.description or built_in.description, True
    return _Entry(PythonTool(name, reference, description, idempotent), description, table.keys)


def _may_use(entry: _Entry, key_name: str | None) -> bool:
    return entry.keys is None or key_name in entry.keys
