"""MCP over a command's standard input and output: one JSON-RPC message in each line (MCP, transports, stdio)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from core.tools.mcp.base import MAX_MESSAGE_BYTES
from core.tools.mcp.process import ProcessGroup

MAX_NOISE = 1000
"""Lines that are no messages, as of a server that greets on its output; one that writes more does nothing else."""
_CHUNK_BYTES = 65_536
_SAID_CHARS = 1000
_ERRORS_SECONDS = 1.0
"""For the last of its errors to come behind the end of its output."""

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def stdio(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, on_lost: Callable[[str], None]
) -> AsyncGenerator[tuple[Incoming, Outgoing]]:
    """Starts the command, and ends it with all that it has started. `on_lost` is told why nothing more will come.

    Raises ToolError, OSError.
    """
    group = await ProcessGroup.start(command, environment, folder, longest_line=MAX_MESSAGE_BYTES)
    incoming_end, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, outgoing_end = anyio.create_memory_object_stream[SessionMessage](0)
    conversation = _Conversation(group, incoming_end, outgoing_end, on_lost)
    try:
        async with incoming_end, incoming, outgoing, outgoing_end, anyio.create_task_group() as tasks:
            for work in (conversation.read, conversation.write, conversation.read_errors):
                tasks.start_soon(work)
            yield incoming, outgoing
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await group.end()


class _Conversation:
    def __init__(
        self,
        group: ProcessGroup,
        incoming: MemoryObjectSendStream[SessionMessage | Exception],
        outgoing: MemoryObjectReceiveStream[SessionMessage],
        on_lost: Callable[[str], None],
    ) -> None:
        self._group = group
        self._incoming = incoming
        self._outgoing = outgoing
        self._on_lost = on_lost
        self._has_spoken = False
        self._said = ""
        """The last of its errors before its first message; later they may quote what it was asked."""
        self._errors_ended = asyncio.Event()

    async def read(self) -> None:
        """Until it ends, or misbehaves; then all who wait for an answer are told that there is none."""
        async with self._incoming:
            try:
                why = await self._messages()
            except ValueError:  # of StreamReader.readline
                why = f"it wrote a line of more than {MAX_MESSAGE_BYTES} bytes"
            except (anyio.BrokenResourceError, ConnectionError) as error:
                why = f"its output broke off ({type(error).__name__})"
            self._on_lost(why if self._has_spoken else await self._with_errors(why))

    async def _messages(self) -> str:
        noise = 0
        while line := await self._group.stdout.readline():
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                noise += 1
                if noise > MAX_NOISE:
                    return "it writes what are no messages"
                continue
            self._has_spoken = True
            await self._incoming.send(SessionMessage(message))
        return "it has ended"

    async def _with_errors(self, why: str) -> str:
        with anyio.move_on_after(_ERRORS_SECONDS):
            await self._errors_ended.wait()
        return f"{why}: {self._said}" if self._said else why

    async def write(self) -> None:
        async with self._outgoing:
            async for message in self._outgoing:
                self._group.stdin.write(
                    message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                )
                try:
                    await self._group.stdin.drain()
                except ConnectionError:  # reading tells
                    return

    async def read_errors(self) -> None:
        """A pipe that nobody empties would stop the server."""
        while chunk := await self._group.stderr.read(_CHUNK_BYTES):
            if not self._has_spoken:
                self._said = (self._said + chunk.decode(errors="replace"))[-_SAID_CHARS:]
        self._errors_ended.set()
