"""Reading a session log, everything in it and nothing taken from it; and closing one."""

import asyncio
from collections.abc import Iterator

import structlog
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity

from core.broker.connection import BrokerConnection
from core.broker.fast_path.base import MessageChannel
from core.broker.topology import SESSIONS, log_name
from core.model.events import BadEvent, End, Event, decode, encode
from core.model.keys import TurnKey

log = structlog.get_logger()

POLL_SECONDS = 0.02
"""Between two questions whether the reader before us is done; it takes a few milliseconds."""


async def read_log(connection: BrokerConnection, key: TurnKey) -> list[Event]:
    """All events in the log at this moment. A log that is not there is empty: only the worker makes one.

    Consumes without acknowledging on a channel of its own; closing that puts everything back in order. With a single
    active consumer, readers that come together wait for one another.
    """
    channel = await connection.connection().channel(publisher_confirms=False)
    bodies: list[bytes] = []
    messages = connection.message_channel_on(channel, lambda _, body: bodies.append(body))
    try:
        await _drain(channel, messages, log_name(key), bodies)
    except ChannelNotFoundEntity:
        return []
    finally:
        await channel.close()
        messages.close()
    return list(_decoded(bodies, key))


def _decoded(bodies: list[bytes], key: TurnKey) -> Iterator[Event]:
    for body in bodies:
        try:
            event = decode(body)
        except BadEvent as error:
            log.error("event not read", action="log.bad_event", session_id=key.session_id, error=error.message)
            continue
        if event is not None:
            yield event


async def _drain(channel: AbstractChannel, messages: MessageChannel, queue: str, bodies: list[bytes]) -> None:
    """Returns once all that is in the queue has come."""
    deleted = asyncio.Event()
    channel.on_consumer_cancel_callbacks.add(lambda _: deleted.set())
    await messages.consume(queue, no_ack=False)
    while not deleted.is_set():
        declared = await channel.queue_declare(queue, passive=True)
        is_active = bool(bodies) or declared.consumer_count == 1
        if is_active and not declared.message_count:
            break
        await asyncio.sleep(POLL_SECONDS)
    # When the queue counted 0 it had handed everything to our channel: one more answer there comes after all of it.
    await channel.queue_declare(queue, passive=True)


async def close_log(channel: AbstractChannel, key: TurnKey, end: End) -> None:
    """Tell the viewers of a turn that was ended by somebody other than its worker, and delete its log."""
    await channel.basic_publish(encode(end), exchange=SESSIONS, routing_key=str(key))
    await channel.queue_delete(log_name(key))
