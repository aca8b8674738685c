"""A TCP proxy in front of the broker: tests break it, and the broker that others use stays whole.

with Proxy(BROKER) as proxy:
    api = stack.start_api(RABBIT_MQ=proxy.url)
    proxy.cut()  # every connection is lost; new ones are welcome
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Self
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.streams.tls import TLSStream

from bench.processes import free_port
from tests import leaks

AMQP_PORT = 5672
CHUNK_BYTES = 65_536
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError)
"""What reading or writing raises once an end has left."""


class Proxy:
    """Runs in a thread of its own, so that it serves whatever the test does. Every method takes effect at once."""

    def __init__(self, *targets: str, refusing: bool = False, tls: ssl.SSLContext | None = None) -> None:
        """`targets` are the URLs that it stands in front of, and each connection goes to the first that takes it;
        `refusing`: it is down from the beginning; `tls`: clients speak TLS with it, which ends here."""
        self._parts = urlsplit(targets[0])
        self._targets = [(parts.hostname or "localhost", parts.port or AMQP_PORT) for parts in map(urlsplit, targets)]
        self._starts_refusing = refusing
        self._tls = tls
        self._port = free_port()
        self._delay = 0.0
        self._server: socket.socket | None = None
        self._serving: dict[asyncio.Task[None], socket.socket] = {}
        self._connected: set[SocketStream] = set()
        """The other end of each connection that has one."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closing = ExitStack()
        self._portal: BlockingPortal

    def __enter__(self) -> Self:
        leaks.keepers.add(self)
        self._portal = self._closing.enter_context(start_blocking_portal(name="proxy"))
        self._closing.callback(self.refuse)
        self._portal.call(self._listen)
        if self._starts_refusing:
            self.refuse()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def url(self) -> str:
        """The target's URL, but through here."""
        login, at, _ = self._parts.netloc.rpartition("@")
        scheme = "amqps" if self._tls else self._parts.scheme
        return self._parts._replace(scheme=scheme, netloc=f"{login}{at}127.0.0.1:{self._port}").geturl()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connected)

    def descriptors(self) -> set[int]:
        others = [stream.extra(SocketAttribute.raw_socket) for stream in list(self._connected)]
        ours = [self._server] if self._server else []
        return {each.fileno() for each in (*ours, *list(self._serving.values()), *others)}

    def children(self) -> set[int]:
        return set()

    def cut(self) -> None:
        """Every connection is lost; the next attempt to connect succeeds."""
        self._portal.call(self._close_all)

    def refuse(self) -> None:
        """Every connection is lost, and nobody listens until `restore()`."""
        self._portal.call(self._stop_listening)

    def black_hole(self) -> None:
        """Connections stay and new ones are taken, but not a byte passes until `restore()`."""
        self._portal.call(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """From now on every byte is so much later, in both directions."""
        self._delay = seconds

    def restore(self) -> None:
        """All is well again. What a black hole held back arrives now."""
        self._delay = 0.0
        self._portal.call(self._flowing.set)
        self._portal.call(self._listen)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = socket.create_server(("127.0.0.1", self._port))
            self._server.setblocking(False)
            asyncio.get_running_loop().add_reader(self._server, self._accept, self._server)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server)
            self._server.close()
            self._server = None
        await self._close_all()

    async def _close_all(self) -> None:
        await _cancel(self._serving)

    def _accept(self, server: socket.socket) -> None:
        """From here on the connection is a task's, which closes it: asyncio's own servers leave one open whose TLS
        handshake is under way when they are closed."""
        try:
            connection, _ = server.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        task = asyncio.create_task(self._serve(connection))
        self._serving[task] = connection
        task.add_done_callback(lambda task: self._serving.pop(task).close())

    async def _serve(self, connection: socket.socket) -> None:
        """Until either end leaves."""
        connection.setblocking(False)
        with suppress(*GONE):
            async with await SocketStream.from_socket(connection) as stream:
                here: ByteStream = stream
                if self._tls:
                    here = await TLSStream.wrap(
                        stream, ssl_context=self._tls, server_side=True, standard_compatible=False
                    )
                there = await self._connect()
                if there is not None:
                    async with there:
                        self._connected.add(there)
                        try:
                            await self._pass_on((here, there), (there, here))
                        finally:
                            self._connected.discard(there)

    async def _connect(self) -> SocketStream | None:
        self._targets.append(self._targets.pop(0))  # with several nodes, each has its share
        for host, port in self._targets:
            with suppress(OSError):
                return await anyio.connect_tcp(host, port)
        return None

    async def _pass_on(self, *directions: tuple[ByteStream, ByteStream]) -> None:
        """Until one of these ends."""
        pumps = [asyncio.create_task(self._pump(*direction)) for direction in directions]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(pumps)

    async def _pump(self, source: ByteStream, sink: ByteStream) -> None:
        """One direction. Bytes wait in a line, so that a delay is latency and not a lower speed."""
        now = asyncio.get_running_loop().time
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as sending:
            sending.create_task(self._send(line, sink))
            with suppress(*GONE):
                while True:
                    line.put_nowait((now() + self._delay, await source.receive(CHUNK_BYTES)))
            line.put_nowait((now() + self._delay, b""))

    async def _send(self, line: asyncio.Queue[tuple[float, bytes]], sink: ByteStream) -> None:
        now = asyncio.get_running_loop().time
        with suppress(*GONE):
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(due - now(), 0))
                await self._flowing.wait()
                if not data:
                    return
                await sink.send(data)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Returns once they are done."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
