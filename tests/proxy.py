"""A TCP proxy in front of the broker: tests break it, and the broker that others use stays whole.

with Proxy(BROKER) as proxy:
    api = stack.start_api(RABBIT_MQ=proxy.url)
    proxy.cut()  # every connection is lost; new ones are welcome
"""

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

AMQP_PORT = 5672
CHUNK_BYTES = 65_536
CALL_SECONDS = 10.0


class Proxy:
    """Runs in a thread of its own, so that it serves whatever the test does. Every method takes effect at once."""

    def __init__(self, *targets: str, refusing: bool = False, tls: ssl.SSLContext | None = None) -> None:
        """`targets` are the URLs that it stands in front of, and each connection goes to the first that takes it;
        `refusing`: it is down from the beginning; `tls`: clients speak TLS with it, which ends here."""
        self._parts = urlsplit(targets[0])
        self._targets = [(parts.hostname or "localhost", parts.port or AMQP_PORT) for parts in map(urlsplit, targets)]
        self._starts_refusing = refusing
        self._tls = tls
        self._port = 0
        self._delay = 0.0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        if self._starts_refusing:
            self.refuse()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The target's URL, but through here."""
        login, at, _ = self._parts.netloc.rpartition("@")
        scheme = "amqps" if self._tls else self._parts.scheme
        return self._parts._replace(scheme=scheme, netloc=f"{login}{at}127.0.0.1:{self._port}").geturl()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._writers) // 2

    def cut(self) -> None:
        """Every connection is lost; the next attempt to connect succeeds."""
        self._call(self._abort_all())

    def refuse(self) -> None:
        """Every connection is lost, and nobody listens until `restore()`."""
        self._call(self._stop_listening())

    def black_hole(self) -> None:
        """Connections stay and new ones are taken, but not a byte passes until `restore()`."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """From now on every byte is so much later, in both directions."""
        self._delay = seconds

    def restore(self) -> None:
        """All is well again. What a black hole held back arrives now."""
        self._delay = 0.0
        self._loop.call_soon_threadsafe(self._flowing.set)
        self._call(self._listen())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._abort_all()

    async def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _close(self) -> None:
        await self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._connect()
        if there is None:
            writer.transport.abort()
            return
        there_reader, there_writer = there
        pair = {writer, there_writer}
        self._writers |= pair
        pumps = [
            self._loop.create_task(self._pump(reader, there_writer)),
            self._loop.create_task(self._pump(there_reader, writer)),
        ]
        self._tasks.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in pair:
            end.transport.abort()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._tasks.difference_update(pumps)
        self._writers -= pair

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._targets.append(self._targets.pop(0))  # with several nodes, each has its share
        for host, port in self._targets:
            with suppress(OSError):
                return await asyncio.open_connection(host, port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction. Bytes wait in a line, so that a delay is latency and not a lower speed."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = self._loop.create_task(self._send(line, writer))
        try:
            with suppress(OSError):
                while data := await reader.read(CHUNK_BYTES):
                    line.put_nowait((self._loop.time() + self._delay, data))
            line.put_nowait((self._loop.time() + self._delay, b""))
            await sender
        finally:
            sender.cancel()

    async def _send(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(due - self._loop.time(), 0))
                await self._flowing.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()
