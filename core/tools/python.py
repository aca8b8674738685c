"""Python functions as tools, found by the name that TOOLS_FILE has for them."""

import asyncio
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import structlog

from core.tools.base import SPEC_SECONDS, ToolCallContext, ToolError, ToolOutput, ToolSpec
from core.tools.threads import start_in_thread

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
        self._loading: asyncio.Future[Function] | None = None
        self._patience_end = 0.0
        """By the loop's clock: all turns together wait so long, not each."""
        self._is_said_to_be_missing = False

    async def spec(self) -> ToolSpec | None:
        loading = self._load()
        await asyncio.wait([loading], timeout=max(0.0, self._patience_end - asyncio.get_running_loop().time()))
        function = _loaded(loading)
        if function is None:
            if not loading.done() and not self._is_said_to_be_missing:
                self._is_said_to_be_missing = True
                log.warning("a tool is still being loaded", action="tool.unavailable", tool=self.name)
            return None
        return ToolSpec(self.name, self._description or function.description, function.parameters)

    async def call(self, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        loading = self._load()
        await asyncio.wait([loading])
        function = _loaded(loading)
        if function is None:
            raise ToolError(f"{self.name} is not to be had: its code cannot be loaded.")
        return await function.call(f"tool {self.name}", arguments, context)

    def timed_out(self) -> None: ...

    def _load(self) -> "asyncio.Future[Function]":
        """Tried once: what cannot be imported now cannot be later. Whoever leaves keeps nobody else from it."""
        if self._loading is None:
            self._loading = start_in_thread(f"tool {self.name}", lambda: _function(self._reference))
            self._loading.add_done_callback(self._on_loaded)
            self._patience_end = asyncio.get_running_loop().time() + SPEC_SECONDS
        return self._loading

    def _on_loaded(self, loading: "asyncio.Future[Function]") -> None:
        if (error := loading.exception()) is not None:
            log.error(
                "a tool cannot be loaded",
                action="tool.unavailable",
                tool=self.name,
                python=self._reference,
                exc_info=error,
            )


def _loaded(loading: "asyncio.Future[Function]") -> "Function | None":
    return loading.result() if loading.done() and loading.exception() is None else None


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
