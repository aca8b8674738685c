"""The connection of a process to an engine: answers of many turns over one socket."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from core.providers.local.protocol import Ask, FromEngine, Said, State, Stop, encode, read_body

log = structlog.get_logger()

SILENT_SECONDS = 60.0
"""An engine that tells nothing for so long is taken for lost. To convert a model keeps it from telling for a while."""

Listener = Callable[[FromEngine | None], None]
"""Told of what an answer's engine says; None: the connection is gone."""
_decoder = msgspec.msgpack.Decoder(FromEngine)


class EngineConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._listeners: dict[int, Listener] = {}
        self._last_number = 0
        self.state = State("loading")
        self.is_open = True
        self._has_heard = asyncio.Event()
        """From the engine, or that it has ended."""
        self._reading = asyncio.create_task(self._read(), name="read from the engine")

    @classmethod
    async def open(cls, socket: Path) -> "EngineConnection":
        """Once the engine has told its state: one that is being killed still takes connections. Raises OSError."""
        connection = cls(*await asyncio.open_unix_connection(socket))
        try:
            await connection._has_heard.wait()
        except asyncio.CancelledError:
            await connection.close()
            raise
        if not connection.is_open:
            raise ConnectionResetError("the engine has ended")
        return connection

    def ask(self, question: Ask, listener: Listener) -> int:
        """The number of the answer; that of the question is not looked at. Raises ValueError or OverflowError for what
        MessagePack has no word for: numbers of more than 64 bits, half characters."""
        self._last_number += 1
        number = self._last_number
        told = encode(msgspec.structs.replace(question, id=number))
        self._listeners[number] = listener
        self._writer.write(told)
        return number

    def stop(self, number: int) -> None:
        """The listener hears no more."""
        if self._listeners.pop(number, None) is not None and self.is_open:
            self._writer.write(encode(Stop(number)))

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self.is_open = False  # it may have ended before it began
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                async with asyncio.timeout(SILENT_SECONDS):
                    body = await read_body(self._reader)
                self._take(_decoder.decode(body))
        except TimeoutError:
            log.error("the engine is silent", action="local.silent", seconds=SILENT_SECONDS)
        except (asyncio.IncompleteReadError, OSError):
            pass
        except (msgspec.MsgspecError, ValueError) as error:
            log.error("the engine is not understood", action="local.bad_engine", error=str(error))
        finally:
            self._has_heard.set()
            self.is_open = False  # before anybody is told, who may ask again
            self._writer.close()
            listeners = list(self._listeners.values())
            self._listeners.clear()
            for listener in listeners:
                _tell(listener, None)

    def _take(self, message: FromEngine) -> None:
        match message:
            case State():
                if message.state == "failed":
                    log.error("the engine has failed", action="local.failed", error=message.what)
                self.state = message
                self._has_heard.set()
            case Said(id=number):
                if listener := self._listeners.get(number):
                    _tell(listener, message)
            case _:
                if listener := self._listeners.pop(message.id, None):
                    _tell(listener, message)


def _tell(listener: Listener, news: FromEngine | None) -> None:
    try:
        listener(news)
    except Exception:
        log.exception("an answer is not understood", action="local.listener")
        listener(None)  # its own loss alone
