"""A connection whose broker does what the test says."""

import asyncio
from typing import Any

from core.model.errors import BrokerDown
from core.model.events import Event, decode
from tests.patience import PATIENCE_SECONDS


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

    async def next(self) -> tuple[str, bytes]:
        """The next message's routing key and body. It waits for its confirm."""
        return await asyncio.wait_for(self.sent.get(), PATIENCE_SECONDS)

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
        self.refused = 0
        """How often it was asked while it was down."""

    def message_channel(self) -> FakeChannel:
        if self.is_down:
            self.refused += 1
            raise BrokerDown("down")
        return self.fake

    async def call(self, work: Any, about: str = "") -> None: ...

    async def wait_up(self) -> None: ...

    async def stop(self) -> None: ...

    async def sent(self) -> Event:
        """The next event, which waits for its confirm."""
        _, body = await self.fake.next()
        event = decode(body)
        assert event is not None
        return event

    async def next(self) -> Event:
        """The next event; with its confirm."""
        event = await self.sent()
        self.fake.confirm()
        return event
