"""aio-pika's connection, able to carry messages past the client library.

It rests on two public hooks, `connection_class` and aiormq's `TransportFactory`, and on what aiormq does with them:
that all its bytes go by the reader and the writer that the factory made. That is checked with every connection; where
it does not hold, messages go by aiormq itself, which takes longer (`core.broker.fast_path.plain`).
"""

import asyncio
from typing import Any, cast

import aio_pika
import structlog
import yarl
from aio_pika.abc import TimeoutType
from aiormq import TransportFactory
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPConnectionError

from core.broker.fast_path.base import MessageChannel, OnMessage
from core.broker.fast_path.channel import FastChannel, FastProtocol
from core.broker.fast_path.plain import PlainChannel

log = structlog.get_logger()


async def connect(url: str, **options: Any) -> "FastConnection":
    """`aio_pika.connect`, to a connection that has message channels."""
    connection = cast(FastConnection, await aio_pika.connect(url, connection_class=FastConnection, **options))
    if not connection.is_fast:
        log.warning("aiormq is not as expected: messages go the slow way", action="broker.slow_path")
    return connection


class FastConnection(aio_pika.Connection):
    def __init__(self, url: yarl.URL, **kwargs: Any) -> None:
        super().__init__(url, **kwargs)
        self._factory = _FastTransportFactory()
        self.kwargs["transport_factory"] = self._factory

    async def connect(self, timeout: TimeoutType = None) -> None:
        """One that was never connected is closed here: aio-pika would do it when it is thrown away, where there may be
        no event loop any more."""
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise

    @property
    def is_fast(self) -> bool:
        """Whether the connection's bytes go by our protocol: aiormq has read its first frames from there."""
        protocol = self._factory.protocol
        return protocol is not None and protocol.has_passed_on

    def message_channel(self, channel: AbstractChannel, on_message: OnMessage | None = None) -> MessageChannel:
        """For a channel on which nothing was published and nothing is consumed yet; messages go to `on_message`."""
        protocol = self._factory.protocol
        if protocol is None or not self.is_fast:
            return PlainChannel(channel, on_message)
        return FastChannel(protocol, channel, on_message)


class _FastTransportFactory(TransportFactory):
    """aiormq's way to a connection, with our protocol on it."""

    def __init__(self) -> None:
        self.protocol: FastProtocol | None = None

    async def create(self, url: yarl.URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = await kwargs.pop("ssl_context_provider").get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = FastProtocol(reader)
        try:
            transport, _ = await loop.create_connection(lambda: protocol, str(url.host), url.port or 0, ssl=tls)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self.protocol = protocol
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
