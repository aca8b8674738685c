"""TOOLS_FILE: a TOML file with a table [tools.NAME] for each function, and [servers.NAME] for each MCP server."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from core.setting_groups.types import HttpUrl
from core.settings import Settings
from core.tools.base import TOOL_NAME_PATTERN
from core.variables import variable

BuiltInName = Literal["current_time", "calculator"]
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Word = Annotated[str, Field(min_length=1)]

_NAME = re.compile(TOOL_NAME_PATTERN)
_REFERENCE = r"^[\w.-]+$|^\w+(\.\w+)*:\w+(\.\w+)*$"
"""Of an entry point, or of an object (packaging's entry points specification)."""
_VARIABLE = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[KeyName] | None = Field(None, min_length=1)
    """The names of API_KEYS that may use it; None: all."""


class ToolTable(_Table):
    builtin: BuiltInName | None = None
    python: str | None = Field(None, pattern=_REFERENCE)
    description: Word | None = None
    """For the model; None: the function's own."""
    idempotent: StrictBool = False

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.builtin is None) == (self.python is None):
            raise ValueError("it needs either builtin or python")
        return self


class ServerTable(_Table):
    url: HttpUrl | None = None
    headers: dict[str, str] = {}
    """Their values may have `env:NAME` in them, for the value of a variable."""
    command: list[Word] | None = Field(None, min_length=1)
    environment: list[VariableName] = []
    """Variables that the command gets; it gets no others."""
    folder: Path | None = None
    """The command's working directory; None: one of its own."""
    tools: list[Word] = Field(min_length=1)
    """Those that may be used, by the server's names."""
    idempotent: list[Word] = []
    """Those of them that may be called once more when nobody knows what became of a call."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("it needs either url or command")
        if self.url is None and self.headers:
            raise ValueError("headers go with a url")
        if self.command is None and (self.environment or self.folder):
            raise ValueError("environment and folder go with a command")
        if others := {*self.idempotent} - {*self.tools}:
            raise ValueError(f"idempotent names what tools does not: {', '.join(sorted(others))}")
        return self

    def filled_headers(self) -> dict[str, str]:
        """With the values of the variables."""
        return {
            name: _VARIABLE.sub(lambda found: variable(found[1]) or "", value) for name, value in self.headers.items()
        }


class ToolsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tools: dict[str, ToolTable] = {}
    servers: dict[str, ServerTable] = {}


class BadToolsFile(SystemExit):
    """Names each fault with its table."""


def tool_of_server(server: str, tool: str) -> str:
    """How a server's tool is called here: two servers may have tools of one name."""
    return f"{server}_{tool}"


def read_tools(path: Path) -> ToolsFile:
    """Raises BadToolsFile."""
    try:
        file = ToolsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(path, [str(error)]) from error
    except ValidationError as error:
        raise _bad(path, [_told(each["loc"], each["msg"]) for each in error.errors()]) from None
    if faults := [*_faults(file)]:
        raise _bad(path, faults)
    return file


def _faults(file: ToolsFile) -> Iterator[str]:
    """What only the whole file, the settings and the environment can tell."""
    for name in file.tools:
        if not _NAME.match(name):
            yield _told(("tools", name), "a name has 1 to 64 letters, digits, _ and -")
    names = {*file.tools}
    for server, table in file.servers.items():
        where = "servers", server
        for tool in table.tools:
            name = tool_of_server(server, tool)
            if not _NAME.match(name):
                yield _told((*where, "tools"), f"{name!r} is no name: 1 to 64 letters, digits, _ and -")
            if name in names:
                yield _told((*where, "tools"), f"there are two tools {name!r}")
            names.add(name)
        for setting in table.environment:
            if setting.lower() in Settings.model_fields:
                yield _told((*where, "environment"), f"{setting} is a setting of Hopstream's, which no server gets")
        for header, value in table.headers.items():
            for missing in (each for each in _VARIABLE.findall(value) if not variable(each)):
                what = f"the variable {missing} is not set, neither in the environment nor in .env"
                yield _told((*where, "headers", header), what)


def _told(where: tuple[int | str, ...], what: str) -> str:
    """`where`: a table, and a field of it."""
    table, *rest = ".".join(map(str, where[:2])), *map(str, where[2:])
    return f"[{table}] {'.'.join(rest) + ': ' if rest else ''}{what.removeprefix('Value error, ')}"


def _bad(path: Path, faults: list[str]) -> BadToolsFile:
    return BadToolsFile("\n".join([f"TOOLS_FILE {path} cannot be used:", *(f"  {fault}" for fault in faults)]))
