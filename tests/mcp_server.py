"""An MCP server for tests, of the official SDK: `python mcp_server.py [--port PORT]`; without a port over
standard input and output. Its tools behave, or do not."""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

STUBBORN_CHILD = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
time.sleep(600)
"""

wire = 1
"""The output that the client reads: while it serves, the SDK keeps number 1 to itself."""
server = MCPServer("test", log_level="CRITICAL")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
def told(context: Context) -> dict[str, Any]:
    """What came along with the call."""
    meta = context.request_context.meta or {}
    return {name: value for name, value in meta.items() if name.startswith("hopstream")}


@server.tool()
def surroundings() -> dict[str, Any]:
    """Where it runs."""
    return {"environment": dict(os.environ), "folder": os.getcwd(), "process": os.getpid(), "group": os.getpgrp()}


@server.tool()
def fail() -> None:
    raise ToolError("out of order")


@server.tool()
def big(length: int) -> str:
    return "x" * length


@server.tool()
def picture() -> CallToolResult:
    content = [TextContent(text="Look:"), ImageContent(data="A" * 16_000, mime_type="image/png")]
    return CallToolResult(content=content)


@server.tool()
async def hang() -> None:
    await anyio.sleep_forever()


@server.tool()
def die() -> None:
    os._exit(3)


@server.tool()
def lookup(query: str, limit: int) -> str:
    """What the mock upstream asks for."""
    return f"{limit} results for {query}"


@server.tool()
def lookup_and_die(query: str, limit: int) -> str:
    os._exit(3)


@server.tool()
def spew() -> None:
    """A line without an end."""
    while True:
        os.write(wire, b"x" * 65_536)


@server.tool()
def babble() -> None:
    """Lines that are no messages."""
    while True:
        os.write(wire, b"hello\n" * 10_000)


@server.tool()
def complain(kilobytes: int) -> str:
    """Floods its errors."""
    for _ in range(kilobytes):
        os.write(2, b"e" * 1023 + b"\n")
    return "done"


@server.tool()
async def dig_in() -> dict[str, list[int]]:
    """From then on, neither SIGTERM nor the end of its input ends it, nor a child that it has."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = await anyio.open_process([sys.executable, "-c", STUBBORN_CHILD])
    assert child.stdout is not None
    await child.stdout.receive()  # it ignores SIGTERM by now
    return {"family": [os.getpid(), child.pid]}


@server.tool()
async def grow(context: Context) -> str:
    """Brings another tool."""
    server.add_tool(late)
    if context.request_context.protocol_version < "2026":
        await context.session.send_tool_list_changed()
    else:
        await context.notify_tools_changed()
    return "grown"


def late() -> str:
    """Was not there before."""
    return "at last"


@server.tool()
def headers(context: Context) -> dict[str, Any]:
    """Those of the request."""
    return dict(context.headers or {})


def only_older(app: Starlette) -> ASGIApp:
    """Of before 2026: with sessions, and notifications without being asked."""

    async def older(scope: Scope, receive: Receive, send: Send) -> None:
        if (b"mcp-protocol-version", b"2026-07-28") in scope.get("headers", []):
            await Response(status_code=400)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return older


def main() -> None:
    global wire
    parser = ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--older", action="store_true")
    parser.add_argument("--greeting", default="")
    parser.add_argument("--complaint", default="")
    arguments = parser.parse_args()
    if arguments.greeting:
        os.write(1, f"{arguments.greeting}\n".encode())
    if arguments.complaint:
        raise SystemExit(arguments.complaint)
    if arguments.port is None:
        wire = os.dup(1)
        server.run("stdio")
    else:
        app = server.streamable_http_app(json_response=arguments.json)
        uvicorn.run(only_older(app) if arguments.older else app, port=arguments.port, log_level="critical")


if __name__ == "__main__":
    main()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # it has dug in
        time.sleep(600)
