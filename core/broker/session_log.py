"""Reading a session log, everything in it and nothing taken from it; and closing one."""

import asyncio

from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from core.broker.topology import SESSIONS, log_name
from core.events import End, Event, decode, encode
from core.keys import TurnKey

TURN_SECONDS = 0.02
"""How long to wait between two looks whether the reader before us is done; it takes a few milliseconds."""


async def read_log(connection: AbstractConnection, key: TurnKey) -> list[Event]:
    """All events in the log at this moment. A log that is not there is empty: only the worker makes one.

    Consumes without acknowledging on a channel of its own; closing that puts everything back in order. With a single
    active consumer, readers that come together wait for one another.
    """
    channel = await connection.channel(publisher_confirms=False)
    try:
        return await _read_all(channel, log_name(key))
    except ChannelNotFoundEntity:
        return []
    finally:
        await channel.close()


async def _read_all(channel: AbstractChannel, queue: str) -> list[Event]:
    events: list[Event] = []
    deleted = asyncio.Event()

    async def on_message(message: DeliveredMessage) -> None:
        events.append(decode(message.body))

    channel.on_consumer_cancel_callbacks.add(lambda _: deleted.set())
    await channel.basic_consume(queue, on_message)
    while not deleted.is_set():
        declared = await channel.queue_declare(queue, passive=True)
        is_active = bool(events) or declared.consumer_count == 1
        if is_active and not declared.message_count:
            break
        await asyncio.sleep(TURN_SECONDS)
    # When the queue counted 0 it had handed everything to our channel: one more answer there comes after all of it.
    await channel.queue_declare(queue, passive=True)
    return events


async def close_log(channel: AbstractChannel, key: TurnKey, end: End) -> None:
    """Tell the viewers of a turn that was ended by somebody other than its worker, and delete its log."""
    await channel.basic_publish(encode(end), exchange=SESSIONS, routing_key=str(key))
    await channel.queue_delete(log_name(key))
