"""An AMQP connection with its channels, kept up by one long-lived owner.

Remote calls (declare, bind, consume) run in tasks of their own, never in a caller's: aiormq closes the channel when a
call is cancelled, and a browser that goes away must not take every session's channel with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import aio_pika
import structlog
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPChannelError, AuthenticationError, ConnectionClosed

from core.broker.fast_path.base import MessageChannel, OnMessage
from core.broker.fast_path.connection import FastConnection, connect
from core.broker.tls import tls_context, why_tls_failed
from core.model.errors import BrokerDown

T = TypeVar("T")
log = structlog.get_logger()

HEARTBEAT_SECONDS = 10
CONNECT_SECONDS = 5.0
RPC_SECONDS = 10.0
"""A broker that does not answer a call for this long counts as lost, and the connection is made anew."""
CONFIRM_SECONDS = 10.0
"""The same for a confirm."""
STOP_RETRY_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

MAX_REASON_CHARS = 300

MANY_CHANNELS = 8
"""Of a connection that makes many calls. RabbitMQ carries out a channel's calls one after the other, and in a
cluster a declare or a bind waits for most nodes; when a process dies, hundreds of turns or viewers move at once."""

AMQP_ERRORS = (*CONNECTION_EXCEPTIONS, TimeoutError)


class BrokerConnection:
    """`setup` prepares each new connection by its first channel (declares, binds, consumes) before it is used."""

    def __init__(
        self,
        url: str,
        name: str,
        setup: Callable[[AbstractChannel], Awaitable[None]],
        *,
        channels: int = 1,
        publishes: bool = False,
    ) -> None:
        """`channels` share the remote calls. `publishes`: for publishing many messages."""
        self.name = name
        self._count = channels
        self._publishes = publishes
        self._message_channel: MessageChannel | None = None
        self._url = url
        self._setup = setup
        self._tls = tls_context(url)
        self._channels: list[AbstractChannel] = []
        self._connection: FastConnection | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._owner: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._up.is_set()

    def start(self) -> None:
        self._owner = asyncio.create_task(self._own(), name=f"connection {self.name}")

    async def stop(self) -> None:
        if self._owner is None:
            return
        if self._calls:
            await asyncio.wait(self._calls, timeout=1)
        while not self._owner.done():  # aiormq can swallow a cancellation while it connects
            self._owner.cancel()
            await asyncio.wait([self._owner], timeout=STOP_RETRY_SECONDS)

    async def wait_up(self) -> None:
        await self._up.wait()

    def check_up(self) -> None:
        """Raises BrokerDown."""
        if not self.up:
            raise broker_down()

    def channel(self) -> AbstractChannel:
        """The first channel, for calls of aiormq's own. Raises BrokerDown."""
        self.check_up()
        return self._channels[0]

    def channel_for(self, about: str) -> AbstractChannel:
        """For calls about the same thing the same one, so that they stay in order. There from `setup` on."""
        return self._channels[hash(about) % self._count]

    def connection(self) -> AbstractConnection:
        """The open connection, for whoever needs a channel of its own. Raises BrokerDown.

        It is aiormq's: aio-pika's never forgets a channel that the server closed.
        """
        if not self.up or self._connection is None or self._connection.transport is None:
            raise broker_down()
        return self._connection.transport.connection

    def message_channel(self) -> MessageChannel:
        """The fast way to publish. Raises BrokerDown."""
        if not self.up or self._message_channel is None:
            raise broker_down()
        return self._message_channel

    def message_channel_on(self, channel: AbstractChannel, on_message: OnMessage) -> MessageChannel:
        """Messages of `channel` go to `on_message`; to be called before anything is consumed there, from `setup` on.
        Raises BrokerDown."""
        if self._connection is None:
            raise broker_down()
        return self._connection.message_channel(channel, on_message)

    async def call(self, work: Callable[[AbstractChannel], Coroutine[Any, Any, T]], about: str = "") -> T:
        """Run remote calls in a task that outlives its caller. Raises BrokerDown."""
        self.check_up()
        return await self.hold(work(self.channel_for(about)))

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for work that has its channel already."""
        task = asyncio.create_task(self._guard(work), name=f"call on {self.name}")
        self._calls.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def reset(self) -> None:
        """Drop the connection and make a new one, where a channel does not do what it should."""
        self._lost.set()

    async def _guard(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(RPC_SECONDS):
                return await work
        except TimeoutError as error:
            self.reset()
            raise broker_down() from error
        except AMQP_ERRORS as error:
            raise broker_down() from error

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # else asyncio logs it as never retrieved, where the caller is gone

    async def _own(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._hold_connection()
                pause = FIRST_PAUSE_SECONDS
                log.warning("broker lost", action="broker.lost", connection=self.name)
            except AMQP_ERRORS as error:
                reason = why_tls_failed(error) or why_refused(error) or type(error).__name__
                log.warning("broker not reached", action="broker.failed", connection=self.name, error=reason)
            except Exception as error:
                log.error("connection broke", action="broker.broken", connection=self.name, exc_info=error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _hold_connection(self) -> None:
        """Connect, set up, and stay until the connection or its channel is lost."""
        self._lost.clear()
        connection = await connect(
            self._url,
            timeout=CONNECT_SECONDS,
            heartbeat=HEARTBEAT_SECONDS,
            name=self.name,
            ssl_context=self._tls,
        )
        try:
            self._connection = connection
            connection.close_callbacks.add(lambda *_: self._lost.set())
            async with asyncio.timeout(RPC_SECONDS):
                self._channels = [await self._open_channel(connection) for _ in range(self._count)]
                if self._publishes:
                    self._message_channel = connection.message_channel(await self._open_channel(connection))
                await self._setup(self._channels[0])
            self._up.set()
            log.info("broker connected", action="broker.up", connection=self.name)
            await self._until_lost()
        finally:
            self._up.clear()
            self._connection = self._message_channel = None
            with suppress(*AMQP_ERRORS):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.close()

    async def _until_lost(self) -> None:
        """A confirm that does not come is a loss, too."""
        while self._message_channel is None or self._message_channel.waiting_seconds() < CONFIRM_SECONDS:
            with suppress(TimeoutError):
                async with asyncio.timeout(CONFIRM_SECONDS / 10):
                    await self._lost.wait()
                    return

    async def _open_channel(self, connection: aio_pika.abc.AbstractConnection) -> AbstractChannel:
        """One that is lost takes the connection with it."""
        opened = connection.channel(publisher_confirms=True, on_return_raises=True)
        await opened.initialize()
        opened.close_callbacks.add(lambda *_: self._lost.set())
        return await opened.get_underlay_channel()


def why_refused(error: BaseException) -> str | None:
    """What the broker's user may not do, in the broker's words; None where it was something else."""
    if not isinstance(error, AMQPChannelError | AuthenticationError | ConnectionClosed):
        return None
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON_CHARS]


def broker_down() -> BrokerDown:
    return BrokerDown("RabbitMQ does not answer; see RABBIT_MQ. Direct mode works without it.", retry_after=2)
