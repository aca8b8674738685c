"""What the tests of MCP servers share: a toolbox with one, and calls of its tools."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import anyio

from bench.processes import free_port
from core.settings import Settings
from core.tools.base import ToolCallContext, ToolOutput
from core.tools.calling import call_tool
from core.tools.toolbox import Toolbox
from tests.patience import PATIENCE_SECONDS

SERVER = str(Path(__file__).parents[2] / "mcp_server.py")
TOOLS = [
    *("add", "echo", "told", "surroundings", "fail", "big", "picture", "hang", "die", "spew", "babble", "complain"),
    *("dig_in", "grow", "late", "headers"),
]
CONTEXT = ToolCallContext("s", 3, 2, 1, "alice")


def command(*arguments: str) -> list[str]:
    return [sys.executable, SERVER, *arguments]


@asynccontextmanager
async def toolbox_with(home: Path, **table: Any) -> AsyncIterator[Toolbox]:
    """With one server `s`, and what its table says."""
    lines = [f"{name} = {_toml(value)}" for name, value in {"tools": TOOLS, **table}.items()]
    path = home / "tools.toml"
    path.write_text("\n".join(["[servers.s]", *lines]))
    toolbox = Toolbox(Settings(tools_file=path))
    try:
        yield toolbox
    finally:
        await toolbox.close()


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)


async def call(
    toolbox: Toolbox, tool: str, *, seconds: float = PATIENCE_SECONDS, max_chars: int = 32_000, **arguments: Any
) -> ToolOutput:
    return await call_tool(
        toolbox,
        f"s_{tool}",
        json.dumps(arguments),
        CONTEXT,
        among=[name for name, _ in toolbox.listed("alice")],
        seconds=seconds,
        max_chars=max_chars,
    )


async def result(toolbox: Toolbox, tool: str, **arguments: Any) -> Any:
    """Of a call that goes well, read as JSON."""
    output = await call(toolbox, tool, **arguments)
    assert not output.is_error, output
    return json.loads(output.content)


async def names(toolbox: Toolbox) -> list[str]:
    """Of all tools that are to be had now."""
    return [spec.name for spec in await toolbox.specs([name for name, _ in toolbox.listed("alice")])]


async def process_of(toolbox: Toolbox) -> int:
    """The server's."""
    return int((await result(toolbox, "surroundings"))["process"])


async def until_listed(toolbox: Toolbox, name: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while name not in await names(toolbox):  # noqa: ASYNC110 - it is the asking that finds it
            await anyio.sleep(0.02)


async def until(check: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while not check():
        assert monotonic() < deadline
        await anyio.sleep(0.02)


class HttpServer:
    """`with HttpServer() as server:` A process, which can be killed, and started again at the same port."""

    def __init__(self, *arguments: str) -> None:
        self._port = free_port()
        self._command = command("--port", str(self._port), *arguments)
        self.url = f"http://127.0.0.1:{self._port}/mcp"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(self._command)
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionError:
                assert self._process.poll() is None
                assert monotonic() < deadline
                sleep(0.02)
            else:
                return

    def wait_gone(self) -> None:
        """Until it has ended of itself: up to then it may still take connections."""
        assert self._process is not None
        self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
