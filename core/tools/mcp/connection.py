"""One connection to an MCP server, with the official SDK. It takes a second to import: only where it is needed."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import CONNECTION_CLOSED, Implementation, RequestParamsMeta, Tool, ToolListChangedNotification
from pydantic import ValidationError

from core.tools.base import ToolError, ToolOutput
from core.tools.file import ServerTable
from core.tools.mcp.base import NotCalled
from core.tools.mcp.content import output_of
from core.tools.mcp.http import SESSION_FORGOTTEN, http
from core.tools.mcp.stdio import stdio
from core.variables import variable
from core.version import VERSION

IDEMPOTENCY_KEY = "hopstream/idempotencyKey"
"""Of a call's `_meta`: the same when the call is made once more."""
LISTEN_AGAIN_SECONDS = 60.0
MAX_PAGES = 100
"""Of a list of tools."""


class McpConnection:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, arguments: dict[str, Any], idempotency_key: str) -> ToolOutput:
        """Raises ToolError, or what the SDK raises for a result that is none."""
        meta = cast(RequestParamsMeta, {IDEMPOTENCY_KEY: idempotency_key})  # open to other members
        try:
            return output_of(await self._client.call_tool(tool, arguments, meta=meta))
        except MCPError as error:
            raise _told(error) from error

    async def tools(self, names: Collection[str]) -> dict[str, Tool]:
        """Those of these names that the server has. Raises ToolError."""
        found: dict[str, Tool] = {}
        cursor = None
        try:
            for _ in range(MAX_PAGES):
                page = await self._client.list_tools(cursor=cursor)
                found |= {tool.name: tool for tool in page.tools if tool.name in names}
                cursor = page.next_cursor
                if cursor is None:
                    break
        except (MCPError, ValidationError, RuntimeError) as error:  # also of a connection that is closed meanwhile
            raise _told(error) from error
        return found

    async def listen(self, on_change: Callable[[], None]) -> None:
        """Hears of changes as long as the server tells of them; older ones do so by themselves, see `connected`."""
        while True:
            try:
                async with self._client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        on_change()
            except ListenNotSupportedError:
                return
            except (MCPError, SubscriptionLost):
                pass
            on_change()
            await anyio.sleep(LISTEN_AGAIN_SECONDS)


@asynccontextmanager
async def connected(
    streams: AbstractAsyncContextManager[Any], on_change: Callable[[], None]
) -> AsyncGenerator[McpConnection]:
    """To be entered and left in one task; calls may come from any. `on_change` is told when the tools may be others.

    Raises what the streams raise, and MCPError.
    """

    async def hear(message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            on_change()

    client_info = Implementation(name="hopstream", version=VERSION)
    async with (
        Client(streams, message_handler=hear, client_info=client_info, cache=None) as client,
        anyio.create_task_group() as tasks,
    ):
        connection = McpConnection(client)
        capability = client.server_capabilities.tools
        if capability is not None and capability.list_changed:
            tasks.start_soon(connection.listen, on_change)
        yield connection
        tasks.cancel_scope.cancel()


def streams_of(table: ServerTable, folder: Path, on_lost: Callable[[str], None]) -> AbstractAsyncContextManager[Any]:
    """By the transport that the table names."""
    if table.command is None:
        return http(table.url or "", table.filled_headers())
    environment = {name: value for name in table.environment if (value := variable(name)) is not None}
    return stdio(table.command, environment, folder, on_lost)


def _told(error: Exception) -> ToolError:
    code = error.code if isinstance(error, MCPError) else None
    if code == SESSION_FORGOTTEN:
        return NotCalled("The tool's server has forgotten the session.")
    if code == CONNECTION_CLOSED:
        return ToolError(
            "The tool's server was lost before it answered: nobody knows whether the call was carried out."
        )
    return ToolError(f"The tool's server failed: {error}")
