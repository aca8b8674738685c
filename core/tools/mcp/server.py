"""An MCP server and its tools, in one process of ours: one connection, made when it is first needed and made again
when it was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from core.background import Background
from core.tools.base import SPEC_SECONDS, ToolCallContext, ToolError, ToolOutput, ToolSpec
from core.tools.file import ServerTable
from core.tools.mcp.base import NotCalled
from core.tools.threads import in_thread

if TYPE_CHECKING:
    from mcp_types import Tool

    from core.tools.mcp.connection import McpConnection

log = structlog.get_logger()
T = TypeVar("T")

OPEN_SECONDS = 60.0
"""For a connection: some servers fetch themselves first."""
LIST_SECONDS = 60.0
"""How long a list of tools is good, where the server tells of no change."""
LIST_AGAIN_SECONDS = 5.0
"""After a list that could not be had."""
MOST_TIME_OUTS = 3
"""Calls in a row that a command may leave without an answer; then it is taken to hang, and started again."""
PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a next connection, by how many in a row have failed, or ended without an answered call."""


class McpServer:
    def __init__(self, name: str, table: ServerTable, folder: Path) -> None:
        self.name = name
        self._table = table
        self._folder = folder
        self._background = Background()
        self._is_closed = False
        self._life: _Life | None = None
        """Of the connection that there is, or is being made, or is not yet quite gone."""
        self._failures = 0
        self._not_before = float("-inf")
        self._is_said_to_be_away = False
        self._tools: dict[str, Tool] = {}
        """Those that may be used, as they were last listed: they are shown while the server is away, too."""
        self._good_until = float("-inf")
        self._listing = asyncio.Lock()

    async def find(self, tool: str) -> "Tool | None":
        """As the server last listed it. None where it was never reached, or has no such tool."""
        try:
            async with asyncio.timeout_at(self._patience_end()):
                await self._ask(self._list)
        except (ToolError, TimeoutError):
            pass  # said where it was noticed
        return self._tools.get(tool)

    async def call(self, tool: str, arguments: dict[str, Any], idempotency_key: str) -> ToolOutput:
        """Raises ToolError, or what the SDK raises."""
        output = await self._ask(lambda connection: connection.call(tool, arguments, idempotency_key))
        self._failures = 0
        return output

    def timed_out(self) -> None:
        """A call was left that had no answer."""
        life = self._life
        if life is None or self._table.command is None:
            return
        life.time_outs += 1
        if life.time_outs >= MOST_TIME_OUTS:
            life.lose(f"it has left {life.time_outs} calls in a row without an answer")

    async def close(self) -> None:
        """Ends the connection, and the process of a server that is a command."""
        self._is_closed = True
        await self._background.stop()

    def _patience_end(self) -> float:
        """By the loop's clock. For a server that does not start all turns together wait so long, not each."""
        if self._life is not None and not self._life.opened.done():
            return self._life.began + SPEC_SECONDS
        return asyncio.get_running_loop().time() + SPEC_SECONDS

    async def _ask(self, question: "Callable[[McpConnection], Awaitable[T]]") -> T:
        """Once more over a new connection, where the server knows nothing of this one any more. Raises ToolError."""
        life = await self._connected()
        try:
            answer = await question(life.connection)
        except NotCalled as error:
            life.lose(error.message)
        else:
            life.time_outs = 0
            return answer
        life = await self._connected()
        return await question(life.connection)

    async def _connected(self) -> "_Life":
        """Raises ToolError."""
        while self._life is not None and self._life.lost.done():
            await self._life.ended.wait()  # of a command, too: the next one has the same folder
        if self._life is None:
            if self._is_closed or asyncio.get_running_loop().time() < self._not_before:
                raise self._away()
            self._life = _Life()
            self._background.run(f"mcp {self.name}", self._live(self._life))
        life = self._life
        if not await asyncio.shield(life.opened):  # who leaves keeps nobody else from it
            raise self._away()
        return life

    def _away(self) -> ToolError:
        seconds = max(0.0, self._not_before - asyncio.get_running_loop().time())
        again = f" It is tried again in {seconds:.0f} seconds." if seconds >= 1 else ""
        return ToolError(f"The tool's server {self.name} cannot be reached.{again}")

    async def _live(self, life: "_Life") -> None:
        """One connection from its beginning to its end: what it enters has to be left in the same task."""
        try:
            await self._open(life)
        except Exception as error:  # noqa: BLE001 - of the SDK, its libraries, the system: the server is away
            life.lose(_reason(error))
        finally:
            self._failures += 1
            pause = PAUSES[min(self._failures, len(PAUSES)) - 1]
            self._not_before = asyncio.get_running_loop().time() + pause
            self._forget_list()
            self._life = None
            life.end()
        if not self._is_said_to_be_away:
            self._is_said_to_be_away = True
            reason = life.lost.result()
            log.warning("a server of tools is away", action="tools.server_away", server=self.name, reason=reason)

    async def _open(self, life: "_Life") -> None:
        """Returns when the connection is lost; raises what goes wrong with it, or with its beginning."""
        async with asyncio.timeout(OPEN_SECONDS) as limit:
            sdk = await in_thread("mcp import", _import_sdk)
            streams = sdk.streams_of(self._table, self._folder, life.lose)
            async with sdk.connected(streams, self._forget_list) as connection:
                limit.reschedule(None)
                life.connection = connection
                life.opened.set_result(True)
                self._is_said_to_be_away = False
                log.info("a server of tools is connected", action="tools.server_connected", server=self.name)
                await life.lost

    async def _list(self, connection: "McpConnection") -> None:
        """Unless the last list is still good. Raises ToolError."""
        async with self._listing:
            now = asyncio.get_running_loop().time()
            if now < self._good_until:
                return
            self._good_until = now + LIST_AGAIN_SECONDS
            self._tools = await connection.tools(self._table.tools)
            if self._good_until > now:  # else it has changed meanwhile
                self._good_until = now + LIST_SECONDS

    def _forget_list(self) -> None:
        self._good_until = float("-inf")


class McpTool:
    def __init__(self, name: str, name_there: str, server: McpServer, idempotent: bool) -> None:
        """`name_there`: as the server calls it."""
        self.name = name
        self.idempotent = idempotent
        self._name_there = name_there
        self._server = server
        self._is_said_to_be_missing = False

    async def spec(self) -> ToolSpec | None:
        found = await self._server.find(self._name_there)
        if found is None and not self._is_said_to_be_missing:
            log.warning("a tool is not to be had", action="tool.unavailable", tool=self.name, server=self._server.name)
        self._is_said_to_be_missing = found is None
        return None if found is None else ToolSpec(self.name, found.description or "", found.input_schema)

    async def call(self, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        return await self._server.call(self._name_there, arguments, context.idempotency_key)

    def timed_out(self) -> None:
        self._server.timed_out()


class _Life:
    """Of one connection."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        self.connection: McpConnection
        self.opened: asyncio.Future[bool] = loop.create_future()
        """Whether there is a connection."""
        self.lost: asyncio.Future[str] = loop.create_future()
        """Why no more can be asked of it, as it was first told."""
        self.ended = asyncio.Event()
        self.time_outs = 0
        """Since its last answer."""

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def end(self) -> None:
        self.ended.set()
        if not self.opened.done():
            self.opened.set_result(False)


def _import_sdk() -> Any:
    from core.tools.mcp import connection

    return connection


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case TimeoutError():
            return f"it did not answer within {OPEN_SECONDS:g} seconds"
        case ToolError():
            return error.message
        case _:
            return f"{type(error).__name__}: {error}"
