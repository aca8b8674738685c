"""A connection whose broker does what the test says."""

import asyncio
from typing import Any

from core.model.errors import BrokerDown
from core.model.events import Event, decode


class FakeChannel:
    """Keeps what was published, and confirms it when told to."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        """Routing key and body of each message."""
        self.unconfirmed: list[asyncio.Future[None]] = []

    def publish(self, body: bytes, exchange: str, routing_key: str, **_: bool) -> asyncio.Future[None]:
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unconfirmed.append(confirmed)
        self.sent.put_nowait((routing_key, body))
        return confirmed

    def confirm(self) -> None:
        for confirmed in self.unconfirmed:
            confirmed.set_result(None)
        self.unconfirmed.clear()

    def lose(self) -> None:
        for confirmed in self.unconfirmed:
            confirmed.set_exception(ConnectionError("lost"))
            confirmed.exception()
        self.unconfirmed.clear()


class FakeConnection:
    def __init__(self) -> None:
        self.fake = FakeChannel()
        self.is_down = False

    def message_channel(self) -> FakeChannel:
        if self.is_down:
            raise BrokerDown("down")
        return self.fake

    async def call(self, work: Any, about: str = "") -> None: ...

    async def wait_up(self) -> None: ...

    async def stop(self) -> None: ...

    async def sent(self) -> Event:
        """The next event, which waits for its confirm."""
        _, body = await asyncio.wait_for(self.fake.sent.get(), 2)
        event = decode(body)
        assert event is not None
        return event

    async def next(self) -> Event:
        """The next event; with its confirm."""
        event = await self.sent()
        self.fake.confirm()
        return event
