"""What the tests of turns with tools rest on: tools that count, and a turn whose agent has them."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from core.model.events import Usage
from core.model.parts import Part, Text, ToolArguments, ToolCall, ToolCallBegun, ToolResult
from core.providers.base import Finish, Told
from core.store.store import Store
from core.store.turns.records import Turn
from core.tools.base import ToolCallContext, ToolOutput, ToolSpec
from core.tools.toolbox import Toolbox
from core.turns.run import Run
from tests.unit.scripted import Item, Scripted, run_of

CALLS = Finish("tool_calls", Told(Usage(10, 5)))
STOP = Finish("stop", Told(Usage(20, 3, cached_tokens=4)))
ANSWER: list[Item] = [Text("It is noon."), STOP]


class FakeTool:
    def __init__(self, name: str, *, idempotent: bool = False) -> None:
        self.name = name
        self.idempotent = idempotent
        self.keys: list[str] = []
        self.gate: Callable[[int], Any] | None = None
        """Awaited in each call, which is told its number."""

    async def spec(self) -> ToolSpec:
        return ToolSpec(self.name, f"the tool {self.name}", {"type": "object"})

    async def call(self, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        self.keys.append(context.idempotency_key)
        if self.gate is not None:
            await self.gate(context.number)
        if arguments.get("fail"):
            raise ValueError("no such day")
        return ToolOutput(f"{self.name}: {arguments.get('say', 'ok')}")

    def timed_out(self) -> None: ...


class Tools:
    """In a toolbox's place."""

    def __init__(self, *tools: FakeTool) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def tool(self, name: str) -> FakeTool | None:
        return self._tools.get(name)

    def allowed(self, names: list[str], _: str | None) -> list[str]:
        return [name for name in names if name in self._tools]

    async def specs(self, names: list[str]) -> list[ToolSpec]:
        return [await self._tools[name].spec() for name in names if name in self._tools]


def call(number: int, name: str = "now", arguments: str = "{}") -> ToolCall:
    return ToolCall(f"c{number}", name, arguments)


def pieces(number: int, at: int, name: str = "now", arguments: str = "{}") -> list[Item]:
    """The same as some services tell it."""
    return [ToolCallBegun(f"c{number}", name), *(ToolArguments(each, at) for each in arguments)]


def running(turn: Turn, store: Store, provider: Scripted, *tools: FakeTool, **more: Any) -> Run:
    return run_of(turn, store, provider, toolbox=cast(Toolbox, Tools(*tools)), **more)


def shape(run: Run) -> list[Part]:
    """Its tape, without how long the calls took."""
    return [
        msgspec.structs.replace(part, seconds=None) if isinstance(part, ToolResult) else part
        for part in run.feed.tape.slice()
    ]
