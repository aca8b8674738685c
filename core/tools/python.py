"""Python functions as tools, found by the name that TOOLS_FILE has for them."""

import asyncio
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import structlog

from core.tools.base import ToolCallContext, ToolError, ToolOutput, ToolSpec
from core.tools.threads import in_thread

if TYPE_CHECKING:
    from core.tools.function import Function

log = structlog.get_logger()

GROUP = "hopstream.tools"
"""The entry points that a value without a colon is looked up among."""


class PythonTool:
    """Its function is imported when it is first asked for: it may bring half a world along."""

    def __init__(self, name: str, reference: str, description: str | None, idempotent: bool) -> None:
        """`reference`: `package.module:function`, or the name of an entry point."""
        self.name = name
        self.idempotent = idempotent
        self._reference = reference
        self._description = description
        self._function: Function | None = None
        self._loading = asyncio.Lock()
        self._is_broken = False

    async def spec(self) -> ToolSpec | None:
        function = await self._load()
        if function is None:
            return None
        return ToolSpec(self.name, self._description or function.description, function.parameters)

    async def call(self, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        function = await self._load()
        if function is None:
            raise ToolError(f"{self.name} is not to be had: its code cannot be loaded.")
        return await function.call(f"tool {self.name}", arguments, context)

    def timed_out(self) -> None: ...

    async def _load(self) -> "Function | None":
        """Tried once: what cannot be imported now cannot be later."""
        async with self._loading:
            if self._function is None and not self._is_broken:
                try:
                    self._function = await in_thread(f"tool {self.name}", lambda: _function(self._reference))
                except Exception as error:
                    self._is_broken = True
                    log.error(
                        "a tool cannot be loaded",
                        action="tool.unavailable",
                        tool=self.name,
                        python=self._reference,
                        exc_info=error,
                    )
        return self._function


def _function(reference: str) -> "Function":
    from core.tools.function import Function

    found = resolve_name(reference) if ":" in reference else _entry_point(reference)
    if not callable(found):
        raise TypeError(f"{reference} is no function")
    return Function(found)


def _entry_point(name: str) -> Any:
    found = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if len(found) != 1:
        raise LookupError(f"there are {len(found)} entry points {name!r} of the group {GROUP}; there has to be one")
    return next(iter(found.values())).load()
