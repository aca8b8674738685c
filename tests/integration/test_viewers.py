"""Several viewers of one turn, in several API processes: each gets every character once, whenever it joins."""

import random

import aio_pika
import anyio
import pytest

from core.broker.topology import LOG_ARGUMENTS
from tests.client import Client, SseEvent, new_session, numbered, text_of
from tests.integration.conftest import Shared

pytestmark = pytest.mark.anyio

TOKENS = 200
MODEL = f"mock?tokens={TOKENS}&rate=100"


async def test_five_viewers_on_two_processes_hold_the_identical_text(client: Client, other_client: Client) -> None:
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    session = new_session()
    texts: dict[str, str] = {}

    async def view(name: str, on: Client, delay: float) -> None:
        await anyio.sleep(delay)  # the moment of joining is what varies here
        texts[name] = text_of(await on.read(session))

    async def view_with_reconnects(name: str, on: list[Client]) -> None:
        seen: list[SseEvent] = []
        last_id = None
        for number in range(11):
            stop_after = None if number == 10 else moments.randint(1, 8)
            async with on[number % 2].stream(session, last_id) as stream:
                async for event in stream.events():
                    seen.append(event)
                    last_id = event.id or last_id
                    stop_after = stop_after and stop_after - 1
                    if stop_after == 0:
                        break
        texts[name] = text_of(seen)

    assert (await client.ask(session_id=session, model=MODEL)).status_code == 202
    async with anyio.create_task_group() as viewers:
        viewers.start_soon(view, "first", client, 0)
        for name, on in (("second", client), ("third", other_client), ("fourth", other_client)):
            viewers.start_soon(view, name, on, moments.uniform(0, 2.2))
        viewers.start_soon(view_with_reconnects, "fifth", [client, other_client])

    expected = numbered(TOKENS)
    assert {name for name, text in texts.items() if text != expected} == set(), f"seed {seed}"
    assert text_of(await other_client.read(session)) == expected


async def test_a_viewer_after_the_end_reads_the_same(client: Client, other_client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=20")
    live = await client.read(session)
    later = await other_client.read(session)
    assert text_of(live) == text_of(later) == numbered(20)
    assert live[-1] == later[-1]
    assert live[-1].data["type"] == "done"


async def test_where_a_turn_was_queued_its_viewer_needs_no_session_log(client: Client, shared: Shared) -> None:
    session = new_session()
    model = f"mock?tokens=40&rate=20&hold_after=20&id={session}"
    async with await aio_pika.connect(shared.stack.broker) as connection:
        channel = await connection.channel()
        name = f"{shared.stack.prefix}session.{session}.1"
        log = await channel.declare_queue(name, durable=True, arguments=LOG_ARGUMENTS)
        await log.consume(_keep)  # the only active consumer: nobody else can read it
        async with client.ask_streaming(accept="text/event-stream", session_id=session, model=model) as stream:
            first = await stream.read_until("chunk")
            assert numbered(20).startswith(first.data["chunk"])
            assert (await client.turn(session))["status"] == "running"
        await channel.close()
    shared.stack.release(session)


async def _keep(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Without an acknowledgement."""
