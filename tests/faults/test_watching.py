"""Two goals with fifty streams each, of both modes, over two API processes and three workers: every watcher gets its
goal's and nothing else, whole and ended once, while other watchers stall and a process is killed; viewers lose nothing.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.client import Client, Stream, new_session, numbered, text_of
from tests.integration.conftest import owner_of
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api, Worker
from tests.stack import Stack, broker_answers
from tests.watching import SseWatch, Watch, watching, watching_sse

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

STREAMS = 50
"""Of each goal, half of them in each mode."""
TOKENS, HELD_AFTER = 60, 30
GATE = "watching"
"""What the answers wait for in their middle."""
MODEL = f"mock?tokens={TOKENS}&rate=40&hold_after={HELD_AFTER}&id={GATE}"
STALLED = 10
RECEIVE_BYTES = 4096
"""Of a reader that stalls: so little is taken for it."""


class Site(NamedTuple):
    stack: Stack
    apis: list[Api]
    workers: list[Worker]


class Asked(NamedTuple):
    goal: str
    session: str
    mode: str
    api: int
    """At which process."""

    @property
    def request_id(self) -> str:
        return f"{self.session}.1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    require(broker_answers(), "no RabbitMQ answers; see RABBIT_MQ")
    with Stack(tmp_path, RATE_LIMIT="100000/minute") as stack:
        yield Site(stack, [stack.start_api(), stack.start_api()], stack.start_workers(3, concurrency=STREAMS))


@pytest.fixture
async def clients(site: Site) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as entered:
        yield [await entered.enter_async_context(Client(api.url)) for api in site.apis]


@contextmanager
def stalled_watchers(apis: list[Api]) -> Iterator[None]:
    """They ask, and read nothing."""
    sockets = []
    try:
        for number in range(STALLED):
            address = urlsplit(apis[number % len(apis)].url)
            reader = socket.socket()
            sockets.append(reader)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            reader.connect((address.hostname, address.port))
            reader.sendall(b"GET /events HTTP/1.1\r\nHost: %b\r\n\r\n" % address.netloc.encode())
        yield
    finally:
        for reader in sockets:
            reader.close()


async def test_a_worker_is_killed(site: Site, clients: list[Client]) -> None:
    async def strike(asked: list[Asked]) -> None:
        session = next(each.session for each in asked if each.mode == "queue")
        owner_of(site.stack, session, site.workers).kill()

    watches, asked = await _watch_all(site, clients, strike)
    for watch in watches:
        assert any("restart" in screen.names for screen in watch.screens.values())
        for each in asked:
            if each.request_id in watch.screens:
                screen = watch.screens[each.request_id]
                assert screen.end is not None
                assert (screen.end.name, screen.text) == ("llm.stream.end", numbered(TOKENS)), each


async def test_an_api_process_is_killed(site: Site, clients: list[Client]) -> None:
    """Its watchers go on at the other one; its direct turns are lost with it, and that is told."""

    async def strike(_: list[Asked]) -> None:
        site.apis[1].kill()

    watches, asked = await _watch_all(site, clients, strike)
    for watch in watches:
        for each in asked:
            if each.request_id not in watch.screens:
                continue
            screen = watch.screens[each.request_id]
            assert screen.end is not None
            if each.mode == "direct" and each.api == 1:
                assert screen.end.data.get("code") == "process_lost", each
                assert numbered(TOKENS).startswith(screen.text)
            else:
                assert (screen.end.name, screen.text) == ("llm.stream.end", numbered(TOKENS)), each


async def _watch_all(
    site: Site, clients: list[Client], strike: Callable[[list[Asked]], Awaitable[None]]
) -> tuple[list[Watch], list[Asked]]:
    """What the watchers of each goal were told, at each process."""
    goals = [new_session(), new_session()]
    asked = [
        Asked(goals[number % 2], new_session(), "direct" if number // 2 % 2 else "queue", number // 4 % 2)
        for number in range(2 * STREAMS)
    ]
    watches: list[Watch] = []
    async with AsyncExitStack() as entered, asyncio.TaskGroup() as work:
        for goal in goals:
            watches.append(await entered.enter_async_context(watching(site.apis[0].url, goalId=goal)))
            resuming = SseWatch()
            watches.append(resuming)
            await _go_on_watching(work, [api.url for api in (site.apis[1], site.apis[0])], resuming, goal)
        entered.enter_context(stalled_watchers(site.apis))
        viewers = [work.create_task(_ask(clients, each)) for each in asked]
        for watch in watches:
            await watch.until(lambda watch=watch: _all_have(watch, numbered(HELD_AFTER)))  # type: ignore[misc]
        await strike(asked)
        site.stack.release(GATE)
        for watch in watches:
            await watch.until(lambda watch=watch: _all_ended(watch))  # type: ignore[misc]
        texts = await asyncio.gather(*viewers)
    assert [text for text in texts if text is not None] == [numbered(TOKENS)] * sum(text is not None for text in texts)
    for watch, goal in zip(watches, [goals[0], goals[0], goals[1], goals[1]], strict=True):
        assert watch.screens.keys() == {each.request_id for each in asked if each.goal == goal}
        assert {event.data["goalId"] for event in watch.events} == {goal}
        assert watch.missed == 0
    return watches, asked


def _all_have(watch: Watch, text: str) -> bool:
    return len(watch.screens) == STREAMS and all(len(screen.text) >= len(text) for screen in watch.screens.values())


def _all_ended(watch: Watch) -> bool:
    return len(watch.screens) == STREAMS and all(screen.end is not None for screen in watch.screens.values())


async def _go_on_watching(work: asyncio.TaskGroup, urls: list[str], watch: SseWatch, goal: str) -> None:
    """From one process to the next, should it die. Returns once the first one listens."""
    listening = asyncio.Event()

    async def watch_on() -> None:
        for url in urls:
            watch.go_on()
            try:
                async with watching_sse(url, watch, last_event_id=watch.last_id, goalId=goal):
                    listening.set()
                    await watch.until(lambda: _all_ended(watch) or watch.is_cut_off)
            except httpx.TransportError:
                continue
            if not watch.is_cut_off:
                return

    work.create_task(watch_on())
    await asyncio.wait_for(listening.wait(), PATIENCE_SECONDS)


async def _ask(clients: list[Client], asked: Asked) -> str | None:
    """What its own viewer got in the end; None where it was lost with its process."""
    client = clients[asked.api]
    question = {"session_id": asked.session, "model": MODEL, "goal_id": asked.goal}
    if asked.mode == "direct":
        try:
            return (await client.ask(mode="direct", **question)).text
        except httpx.TransportError:
            return None
    await client.ask_until_accepted(**question)
    return await _read_on([client, *clients], asked.session)


async def _read_on(clients: list[Client], session: str) -> str:
    seen: list[Stream] = []
    for client in clients:
        try:
            async with client.stream(session, seen[-1].last_id if seen else None) as stream:
                if seen:
                    stream.seen += seen[-1].seen
                seen.append(stream)
                await stream.rest()
        except httpx.TransportError:
            continue
        if seen[-1].seen[-1].data.get("type") == "done":
            return text_of(seen[-1].seen)
    raise AssertionError(f"{session}: {seen[-1].seen[-3:]}")
