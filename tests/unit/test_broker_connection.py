"""A connection to the broker stops when it is asked to, whatever the client library does with a cancellation."""

import asyncio
from typing import Any

import pytest
from yarl import URL

from core.broker import connection
from core.broker.connection import AMQP_ERRORS, BrokerConnection
from core.broker.fast_path.connection import FastConnection
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def test_it_stops_though_a_cancellation_is_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()
    swallowed = 0

    async def connect(*_: Any, **__: Any) -> None:
        nonlocal swallowed
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed += 1
            if swallowed == 1:
                raise ConnectionError("told in place of the cancellation") from None
            raise

    async def set_up_nothing(_: Any) -> None: ...

    monkeypatch.setattr(connection, "connect", connect)
    monkeypatch.setattr(connection, "STOP_RETRY_SECONDS", 0.01)
    stopping = BrokerConnection("amqp://localhost/", "test", set_up_nothing)
    stopping.start()
    await connecting.wait()
    await asyncio.wait_for(stopping.stop(), PATIENCE_SECONDS)
    assert swallowed >= 1


async def test_one_that_was_never_connected_is_closed() -> None:
    """Else aio-pika tries to when it is thrown away, and warns where there is no event loop any more."""
    failed = FastConnection(URL("amqp://guest:guest@127.0.0.1:1/"))
    with pytest.raises(AMQP_ERRORS):
        await failed.connect(PATIENCE_SECONDS)
    assert failed.is_closed
