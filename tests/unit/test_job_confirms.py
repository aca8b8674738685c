"""The confirm of a job: a broker that gives none is down, an event loop that has not read it yet is only slow."""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial

import pytest
import uvloop

from core.broker import jobs
from core.model.errors import BrokerDown


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PUBLISH_SECONDS", 0.05)


async def confirmed(published: asyncio.Future[None], meanwhile: Callable[[], object]) -> None:
    confirming = asyncio.create_task(jobs._confirm(published))
    await asyncio.sleep(0)
    meanwhile()
    await confirming


def arrive(published: asyncio.Future[None]) -> None:
    if not published.done():
        published.set_result(None)


def fail(published: asyncio.Future[None], error: Exception | None) -> None:
    if error is not None:
        published.set_exception(error)


def test_one_that_lies_in_the_socket_counts() -> None:
    async def wait_for_it() -> None:
        loop = asyncio.get_running_loop()
        published = loop.create_future()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop.add_reader(ours, arrive, published)

            def be_slow() -> None:
                theirs.send(b"x")
                time.sleep(2 * jobs.PUBLISH_SECONDS)

            await confirmed(published, be_slow)
            loop.remove_reader(ours)

    uvloop.run(wait_for_it())  # as the API does: it looks at its timers before it reads


@pytest.mark.parametrize("error", [None, ConnectionError("gone")])
def test_one_that_does_not_come(error: ConnectionError | None) -> None:
    async def wait_for_it() -> None:
        published = asyncio.get_running_loop().create_future()
        with pytest.raises(BrokerDown):
            await confirmed(published, partial(fail, published, error))
        assert published.done()

    uvloop.run(wait_for_it())
