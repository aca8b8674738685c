"""The engine's socket: providers ask, and each is told of its own answers."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec
import structlog

from core.providers.local.engine.building import Unsupported
from core.providers.local.engine.scheduler import Scheduler
from core.providers.local.protocol import Ask, Failed, FromEngine, FromProvider, Said, State, Stop, encode, read_body

log = structlog.get_logger()

LOOK_SECONDS = 0.25
"""How often it is looked at whether anybody is still there, and whether the state is another."""
BEAT_SECONDS = 1.0
"""The state is told that often at least, so that providers know of an engine that hangs."""
MOST_UNREAD_BYTES = 16 * 1024 * 1024
"""A provider that does not read what it is told is cut off; whoever asked goes on elsewhere."""
LAST_WORDS_SECONDS = 2.0
EXPECTED = (Unsupported, OSError, ValueError)
"""What a model raises that cannot be loaded."""
_decoder = msgspec.msgpack.Decoder(FromProvider)


class Server:
    """Serves until nobody has been connected for `idle_seconds`."""

    def __init__(
        self, socket: Path, name: str, load: Callable[[Callable[[list[FromEngine]], None]], Scheduler]
    ) -> None:
        """`load` is called in a thread, and given what the scheduler tells its news."""
        self._socket = socket
        self._load = load
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._clients: set[asyncio.StreamWriter] = set()
        self._owners: dict[int, tuple[asyncio.StreamWriter, int]] = {}
        """By our number of an answer: who asked, and its number there."""
        self._numbers = count(1)
        self._scheduler: Scheduler | None = None
        self._early: list[FromProvider] = []
        """What was asked while the model is loaded."""
        self._state = State("loading", name)
        self._told_at = self._loop.time()
        self._failure: BaseException | None = None

    async def serve(self, idle_seconds: float) -> None:
        """Raises what loading the model raised, once everybody was told."""
        server = await asyncio.start_unix_server(self._on_client, path=self._socket)
        thread = threading.Thread(target=self._work, name="engine", daemon=True)
        thread.start()
        async with server:
            alone_since = self._loop.time()
            while self._loop.time() - alone_since < idle_seconds and self._failure is None:
                await asyncio.sleep(LOOK_SECONDS)
                if self._clients:
                    alone_since = self._loop.time()
                self._look()
            for client in list(self._clients):  # what was told last is to reach them
                with suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(LAST_WORDS_SECONDS):
                        await client.drain()
                client.close()
        self._socket.unlink(missing_ok=True)
        if self._failure is not None:
            raise self._failure
        if self._scheduler is not None:
            self._scheduler.close()
            thread.join()

    def _work(self) -> None:
        """The thread of the model."""
        try:
            scheduler = self._load(self._hand_over)
            self._loop.call_soon_threadsafe(self._on_loaded, scheduler)
            scheduler.run()
        except BaseException as error:  # noqa: BLE001 - the process ends with it
            self._loop.call_soon_threadsafe(self._on_failed, error)

    def _hand_over(self, news: list[FromEngine]) -> None:
        """From the model's thread."""
        self._loop.call_soon_threadsafe(self._on_news, news)

    def _on_loaded(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        for command in self._early:
            scheduler.put(command)
        self._early.clear()
        self._look()

    def _on_failed(self, error: BaseException) -> None:
        self._failure = error
        if self._scheduler is not None:  # the answers go on in another engine, as if this one had been killed
            log.critical("the engine has failed", action="local.failed", exc_info=error)
            for client in self._clients:
                client.transport.abort()
            return
        what = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        for number in list(self._owners):
            self._send(Failed(number, what))
        self._tell_all(State("failed", what))

    def _on_news(self, news: list[FromEngine]) -> None:
        for message in news:
            self._send(message)

    def _send(self, message: FromEngine) -> None:
        """To whoever asked, by the number that it gave."""
        if isinstance(message, State):
            return
        client, number = self._owners.get(message.id, (None, 0))
        if client is None:
            return
        client.write(encode(msgspec.structs.replace(message, id=number)))
        if not isinstance(message, Said):
            del self._owners[message.id]
        if client.transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            client.transport.abort()

    def _look(self) -> None:
        scheduler, state = self._scheduler, self._state
        if scheduler is not None:
            state = State("ready", self._name, scheduler.answering, scheduler.waiting, scheduler.slots)
        if state != self._state or self._loop.time() - self._told_at > BEAT_SECONDS:
            self._tell_all(state)

    def _tell_all(self, state: State) -> None:
        self._state, self._told_at = state, self._loop.time()
        for client in self._clients:
            client.write(encode(state))

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        writer.write(encode(self._state))
        try:
            while True:
                self._on_command(_decoder.decode(await read_body(reader)), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("a client is not understood", action="local.bad_client", error=str(error))
        finally:
            self._clients.discard(writer)
            for number in [number for number, (owner, _) in self._owners.items() if owner is writer]:
                self._stop(number)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _on_command(self, command: FromProvider, client: asyncio.StreamWriter) -> None:
        match command:
            case Ask():
                number = next(self._numbers)
                self._owners[number] = client, command.id
                self._put(msgspec.structs.replace(command, id=number))
            case Stop(id=wanted):
                for number, owner in list(self._owners.items()):
                    if owner == (client, wanted):
                        self._stop(number)

    def _stop(self, number: int) -> None:
        del self._owners[number]
        self._put(Stop(number))

    def _put(self, command: FromProvider) -> None:
        if self._scheduler is not None:
            self._scheduler.put(command)
        else:
            self._early.append(command)
