"""What RabbitMQ itself carries: turns begun and ended, and messages of the token path.

The same calls as API and worker make of it, without them: no model, no database, nobody who reads.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable

import msgspec
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from bench.contenders import BROKER
from bench.stack import broker_url, check
from bench.tables import table_of
from bench.usage import Usage, broker_pid
from core.broker.connection import MANY_CHANNELS
from core.broker.fast_path.base import MessageChannel
from core.broker.fast_path.connection import connect
from core.broker.topology import LOG_ARGUMENTS

TURNS, TOGETHER = 600, 32
SESSIONS = 100
SECONDS = 5.0
BODY = b"x" * 60
"""As long as a batch of one token."""


class Capacity(msgspec.Struct):
    """CPU is that of the node we are connected to, NaN where it is on another machine."""

    turns_per_second: float
    turn_cpu_ms: float
    messages_per_second: float
    """Each to an inbox, and confirmed."""
    message_cpu_us: float


async def measure(turns: int = TURNS, seconds: float = SECONDS) -> Capacity:
    """Raises StartError where RabbitMQ does not answer."""
    await check(broker_url())
    async with await connect(broker_url()) as connection:
        assert connection.transport is not None
        channels = connection.transport.connection
        traffic = _Traffic(channels, connection.message_channel(await channels.channel()))
        inbox = await channels.channel(publisher_confirms=False)
        await traffic.set_up(inbox, connection.message_channel(inbox, lambda routing_key, body: None))
        try:
            turns_took, turns_cpu = await _spend(traffic.run_turns(turns))
            publishing_took, publishing_cpu = await _spend(traffic.publish(seconds))
        finally:
            await traffic.clear()
    return Capacity(
        turns / turns_took,
        turns_cpu * 1e3 / turns,
        traffic.confirmed / publishing_took,
        publishing_cpu * 1e6 / traffic.confirmed,
    )


class _Traffic:
    def __init__(self, connection: AbstractConnection, messages: MessageChannel) -> None:
        self.confirmed = 0
        self._connection = connection
        self._messages = messages
        self._name = f"bench-{secrets.token_hex(4)}"
        self._jobs = f"{self._name}.jobs"
        self._inbox = ""
        self._channels: list[AbstractChannel] = []

    async def set_up(self, inbox: AbstractChannel, heard: MessageChannel) -> None:
        self._channels = [await self._connection.channel() for _ in range(MANY_CHANNELS)]
        first = self._channels[0]
        await first.exchange_declare(self._name, exchange_type="direct", durable=True)
        await first.queue_declare(self._jobs, durable=True, arguments={"x-queue-type": "quorum"})
        self._inbox = (await inbox.queue_declare(exclusive=True)).queue or ""
        await heard.consume(self._inbox, no_ack=True)
        self._consuming = await self._connection.channel(publisher_confirms=False)
        await self._consuming.basic_qos(prefetch_count=TOGETHER)
        await self._consuming.basic_consume(self._jobs, _acknowledge)

    async def clear(self) -> None:
        await self._consuming.close()
        await self._channels[0].queue_delete(self._jobs)
        await self._channels[0].exchange_delete(self._name)

    async def run_turns(self, count: int) -> None:
        """As many at a time as a busy site has: a job, a session log, a subscription, and all of it taken back."""
        numbers = iter(range(count))

        async def some() -> None:
            for number in numbers:
                channel = self._channels[number % MANY_CHANNELS]
                await channel.basic_publish(BODY, routing_key=self._jobs, mandatory=True)
                await self._begin(channel, number)
                await self._end(channel, number)

        await asyncio.gather(*(some() for _ in range(TOGETHER)))

    async def publish(self, seconds: float) -> None:
        """For a while, each session its next message as soon as the last one is confirmed."""
        for number in range(SESSIONS):
            await self._begin(self._channels[number % MANY_CHANNELS], number)
        until = time.monotonic() + seconds

        async def one(number: int) -> None:
            while time.monotonic() < until:
                await self._messages.publish(BODY, self._name, str(number))
                self.confirmed += 1

        await asyncio.gather(*map(one, range(SESSIONS)))
        for number in range(SESSIONS):
            await self._end(self._channels[number % MANY_CHANNELS], number)

    async def _begin(self, channel: AbstractChannel, number: int) -> None:
        await channel.queue_bind(self._inbox, self._name, str(number))
        await channel.queue_declare(f"{self._name}.{number}", durable=True, arguments=LOG_ARGUMENTS)

    async def _end(self, channel: AbstractChannel, number: int) -> None:
        await channel.queue_delete(f"{self._name}.{number}")
        await channel.queue_unbind(self._inbox, self._name, str(number))


async def _acknowledge(message: DeliveredMessage) -> None:
    await message.channel.basic_ack(message.delivery_tag or 0)


async def _spend(work: Awaitable[None]) -> tuple[float, float]:
    """The seconds it took, and the CPU seconds of the broker."""
    pid = broker_pid(broker_url())
    usage = Usage({} if pid is None else {BROKER: pid})
    begin, before = time.monotonic(), usage.now()
    await work
    seconds, after = time.monotonic() - begin, usage.now()
    return seconds, math.nan if pid is None else after[BROKER].cpu_seconds - before[BROKER].cpu_seconds


def table(capacity: Capacity) -> str:
    turns = (f"{capacity.turns_per_second:.0f}", f"{capacity.turn_cpu_ms:.1f} ms")
    messages = (f"{capacity.messages_per_second:.0f}", f"{capacity.message_cpu_us:.0f} µs")
    rows = [("turns: job, session log, subscription", *turns), ("messages to an inbox, confirmed", *messages)]
    return table_of(("RabbitMQ alone", "a second", "its CPU for one"), rows)
