"""A stream's response: cut off where nobody reads, given back when its client or its process goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from logs.live import event_stream
from logs.live.event_stream import EventStream

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http"}


class Client:
    """Reads, until it stalls or goes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.stalls = asyncio.Event()
        self.goes = asyncio.Event()

    async def send(self, message: Message) -> None:
        if self.stalls.is_set():
            await asyncio.Event().wait()
        self.messages.append(message)

    async def receive(self) -> Message:
        await self.goes.wait()
        return {"type": "http.disconnect"}


async def frames() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(0)


async def start(client: Client) -> tuple[asyncio.Task[None], asyncio.Semaphore, asyncio.Event]:
    slots, closing = asyncio.Semaphore(1), asyncio.Event()
    await slots.acquire()
    response = EventStream(frames(), slots, closing)
    task = asyncio.create_task(response(SCOPE, client.receive, client.send))
    while len(client.messages) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return task, slots, closing


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STALLED_SECONDS", 0.01)
    client = Client()
    task, slots, _ = await start(client)
    client.stalls.set()
    await task
    assert not slots.locked()
    assert client.messages[-1].get("more_body", True)  # no end: the connection is closed


async def test_who_goes_gives_its_place_back() -> None:
    client = Client()
    task, slots, _ = await start(client)
    client.goes.set()
    await task
    assert not slots.locked()


async def test_a_process_that_closes_ends_it_in_order() -> None:
    client = Client()
    task, slots, closing = await start(client)
    closing.set()
    await task
    assert not slots.locked()
    assert client.messages[0]["headers"]
    assert client.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
