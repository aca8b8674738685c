"""Watchers whose connection, process or worker is lost, or who do not keep up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from api.http.websocket_protocol import STALLED_SECONDS
from api.watchers.batches import LAG_SECONDS
from tests.client import Client, new_session, numbered
from tests.integration.conftest import Shared, StartWorkers, owner_of
from tests.patience import PATIENCE_SECONDS, promised
from tests.processes import Api
from tests.sockets import open_socket, rest
from tests.watching import TOKENS, SseWatch, held, watching, watching_sse

pytestmark = pytest.mark.anyio


async def test_an_answer_that_begins_again_elsewhere(viewer: Client, arena: Any, start_workers: StartWorkers) -> None:
    session = new_session()
    workers = start_workers(2)
    async with watching(arena.apis[1].url, sessionId=session) as watch:
        await viewer.ask(session_id=session, model=held(session))
        await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
        owner_of(arena.stack, session, workers).kill()
        await watch.until(lambda: "restart" in watch.screen(session).names)
        arena.stack.release(session)
        await watch.until(lambda: watch.ended(session))
    screen = watch.screen(session)
    (restart,) = [event.data for event in screen.events if event.name == "llm.stream.restart"]
    assert (restart["reason"], restart["attempt"], screen.text) == ("worker_lost", 2, numbered(TOKENS))


async def test_it_goes_on_at_another_process_after_any_event(client: Client, shared: Shared) -> None:
    """One stream ends while nobody listens, another begins and ends, a third goes on."""
    goal, ending, lasting, between = new_session(), new_session(), new_session(), new_session()
    async with watching_sse(shared.apis[0].url, goalId=goal) as watch:
        for session in (ending, lasting):
            await client.ask(session_id=session, model=held(session), goal_id=goal)
        for session in (ending, lasting):
            await watch.until(lambda s=session: watch.screen(s).text == numbered(TOKENS // 2))  # type: ignore[misc]
    shared.stack.release(ending)
    await client.until(ending, "done")
    await client.ask(session_id=between, model=f"mock?tokens={TOKENS}&rate=0", goal_id=goal)
    await client.until(between, "done")
    watch.go_on()
    async with watching_sse(shared.apis[1].url, watch, last_event_id=watch.last_id, goalId=goal):
        await watch.until(lambda: watch.ended(ending, between))
        shared.stack.release(lasting)
        await watch.until(lambda: watch.ended(lasting))
    assert {screen.text for screen in watch.screens.values()} == {numbered(TOKENS)}
    assert [screen.names.count("start") for screen in watch.screens.values()] == [1, 1, 1]


async def test_it_goes_on_over_a_websocket_too(client: Client, shared: Shared) -> None:
    session = new_session()
    async with watching(shared.apis[0].url, sessionId=session, resumable="true") as watch:
        await client.ask(session_id=session, model=held(session))
        await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
    watch.go_on()
    async with watching(shared.apis[1].url, watch, sessionId=session, lastEventId=watch.last_id):
        shared.stack.release(session)
        await watch.until(lambda: watch.ended(session))
    assert watch.screen(session).text == numbered(TOKENS)
    assert watch.screen(session).names.count("start") == 1


async def test_a_process_that_stops_says_so(client: Client, shared: Shared) -> None:
    """Nobody takes that for the end of a stream."""
    session = new_session()
    api = shared.stack.start_api()
    async with open_socket(api.url, "/ws/events", sessionId=session) as socket, _raw(api) as lines:
        await client.ask(session_id=session, model=held(session))
        await socket.recv()
        api.ask_to_stop()
        told = await rest(socket)
        assert socket.close_code == 1012
        assert told[-1]["type"] == "goaway"
        assert not any("end" in event.get("event", "") for event in told)
        assert [line async for line in lines][-2:] == [": closing", ""]
    api.wait()
    shared.stack.release(session)


class _raw:
    """The lines of /events."""

    def __init__(self, api: Api) -> None:
        self._http = httpx.AsyncClient(timeout=PATIENCE_SECONDS)
        self._request = self._http.stream("GET", f"{api.url}/events")

    async def __aenter__(self) -> Any:
        return (await self._request.__aenter__()).aiter_lines()

    async def __aexit__(self, *why: Any) -> None:
        await self._request.__aexit__(*why)
        await self._http.aclose()


async def test_it_says_how_soon_to_come_back(shared: Shared) -> None:
    watch = SseWatch()
    async with watching_sse(shared.apis[0].url, watch):
        await watch.until(lambda: watch.retry)
    assert watch.retry == "1000"


@asynccontextmanager
async def beginning(api: Api, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.Transport]]:
    """A reader of this stream, which has begun, and takes little at once."""
    url = urlsplit(api.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect((url.hostname, url.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        await reader.readuntil(b"retry: 1000\n\n\r\n")
        yield reader, cast(asyncio.Transport, writer.transport)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def say_much(client: Client, goal: str) -> list[str]:
    """More than a connection holds. The sessions, which have ended."""
    sessions = [new_session() for _ in range(20)]
    for session in sessions:
        await client.ask(session_id=session, model="mock?tokens=40000&rate=20000", goal_id=goal)
    for session in sessions:
        await client.until(session, "done")
    return sessions


async def test_a_reader_that_stalls_is_told_what_it_has_missed(client: Client, shared: Shared) -> None:
    """Of a stream that it had heard of before; each stream ends once all the same."""
    goal, known, watch = new_session(), new_session(), SseWatch()
    async with beginning(shared.apis[1], f"/events?goalId={goal}") as (reader, transport):
        lines = _lines(reader)
        await client.ask(session_id=known, model=held(known), goal_id=goal)
        await watch.read_lines(lines, lambda: watch.screen(known).text == numbered(TOKENS // 2))
        transport.pause_reading()
        sessions = await say_much(client, goal)
        shared.stack.release(known)
        await client.until(known, "done")
        await asyncio.sleep(LAG_SECONDS + 1)
        transport.resume_reading()
        await watch.read_lines(lines, lambda: watch.ended(known, *sessions))
    assert watch.missed > 0
    assert all(screen.end is not None and screen.end.name == "llm.stream.end" for screen in watch.screens.values())
    assert len(watch.screens) == len(sessions) + 1
    assert watch.screen(known).text == numbered(TOKENS // 2)


async def test_a_process_that_stops_waits_for_no_reader_that_has_stalled(client: Client, shared: Shared) -> None:
    goal, api = new_session(), shared.stack.start_api()
    async with beginning(api, f"/events?goalId={goal}") as (_, transport):
        transport.pause_reading()
        await say_much(client, goal)
        api.ask_to_stop()
        with promised(2 * STALLED_SECONDS + 2):
            await asyncio.to_thread(api.wait)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Of a body in chunks (RFC 9112, 7.1), each as long as its first line says."""
    rest = b""
    while True:
        size = int(await reader.readline(), 16)
        *lines, rest = (rest + (await reader.readexactly(size + 2))[:-2]).split(b"\n")
        for line in lines:
            yield line.decode()
