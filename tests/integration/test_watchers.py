"""GET /events and /ws/events: all streams that fit, whole and in order, on whichever process they run."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api.http.websocket_protocol import STALLED_SECONDS
from api.watchers.batches import LAG_SECONDS
from api.watchers.socket import MOST_BAD_MESSAGES
from tests.client import Client, new_session, numbered
from tests.integration.conftest import ALICE, BOB, Guarded, Shared, StartWorkers, assert_problem, owner_of
from tests.patience import promised
from tests.sockets import close_code, open_socket, rest, with_ticket
from tests.stack import Api, Stack
from tests.watching import SseWatch, watching, watching_sse

pytestmark = pytest.mark.anyio

TOKENS = 40


def held(session: str, after: int = TOKENS // 2) -> str:
    """The name of a model whose answer stops in the middle until it is released."""
    return f"mock?tokens={TOKENS}&rate=100&hold_after={after}&id={session}"


@pytest.mark.parametrize("number", [0, 1])
async def test_a_turn_of_queue_mode_from_its_start(client: Client, shared: Shared, number: int) -> None:
    session, model = new_session(), f"mock?tokens={TOKENS}&rate=40"
    async with watching(shared.apis[number].url, sessionId=session) as watch:
        await client.ask(session_id=session, model=model)
        await watch.until(lambda: watch.ended(session))
    screen = watch.screen(session)
    assert screen.text == numbered(TOKENS)
    assert [name for name in screen.names if name != "queued"] == ["start", "chunk", "end"]
    (start,) = [event.data for event in screen.events if event.name == "llm.stream.start"]
    assert (start["model"], start["provider"], start["mode"], start["attempt"]) == (model, "openai", "queue", 1)
    assert screen.end is not None
    end = screen.end.data
    assert (end["finishReason"], end["reason"], end["tokensUsed"] >= TOKENS) == ("stop", "stop", True)


@pytest.mark.parametrize("number", [0, 1])
async def test_a_direct_turn_on_whichever_process_it_runs(client: Client, shared: Shared, number: int) -> None:
    session = new_session()
    async with watching(shared.apis[number].url, sessionId=session) as watch:
        answer = await client.ask(session_id=session, mode="direct", model=f"mock?tokens={TOKENS}&rate=40")
        await watch.until(lambda: watch.ended(session))
    assert answer.text == watch.screen(session).text == numbered(TOKENS)
    assert watch.screen(session).names == ["start", "chunk", "end"]


@pytest.mark.parametrize("mode", ["queue", "direct"])
@pytest.mark.parametrize("number", [0, 1])
async def test_who_comes_late_gets_what_was_said_so_far(client: Client, shared: Shared, number: int, mode: str) -> None:
    session = new_session()
    async with client.ask_streaming(
        session_id=session, mode=mode, model=held(session), accept="text/event-stream"
    ) as stream:
        await stream.read_chars(len(numbered(TOKENS // 2)))
        async with watching_sse(shared.apis[number].url, sessionId=session) as watch:
            await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
            shared.stack.release(session)
            await watch.until(lambda: watch.ended(session))
    assert watch.screen(session).text == numbered(TOKENS)


async def test_a_goal_has_its_streams_and_no_others(client: Client, shared: Shared) -> None:
    goals = [new_session(), new_session()]
    sessions: dict[str, list[str]] = {goal: [] for goal in goals}
    async with (
        watching(shared.apis[0].url, goalId=goals[0]) as one,
        watching_sse(shared.apis[1].url, goalId=goals[1]) as other,
    ):
        for number in range(6):
            goal, session = goals[number % 2], new_session()
            sessions[goal].append(session)
            labels: dict[str, Any] = {"goal_id": goal, "work_item_id": "w", "run_id": "r", "metadata": {"team": "blue"}}
            await client.ask(session_id=session, model=f"mock?tokens={TOKENS}&rate=200", **labels)
        for watch, goal in ((one, goals[0]), (other, goals[1])):
            await watch.until(lambda watch=watch, goal=goal: watch.ended(*sessions[goal]))  # type: ignore[misc]
            assert watch.screens.keys() == {f"{session}.1" for session in sessions[goal]}
            assert {screen.text for screen in watch.screens.values()} == {numbered(TOKENS)}
            assert {event.data.get("goalId") for event in watch.events} == {goal}
    start = next(event.data for event in one.events if event.name == "llm.stream.start")
    assert (start["workItemId"], start["runId"], start["metadata"]) == ("w", "r", {"team": "blue"})


async def test_who_subscribes_sees_that_from_its_start_and_who_leaves_it_no_more(
    client: Client, shared: Shared
) -> None:
    ours, others = new_session(), new_session()
    async with watching(shared.apis[1].url, goalId="nobody has this goal") as watch:
        for session in (ours, others):
            await client.ask(session_id=session, model=held(session))
        await watch.subscribe(sessionId=ours)
        await watch.until(lambda: watch.screen(ours).text == numbered(TOKENS // 2))
        await watch.subscribe(sessionId=others)
        await watch.until(lambda: watch.screen(others).text == numbered(TOKENS // 2))
        await watch.unsubscribe(sessionId=others)
        for session in (others, ours):
            shared.stack.release(session)
        await client.until(others, "done")
        await watch.until(lambda: watch.ended(ours))
        await watch.send(type="ping")
        await watch.until(lambda: watch.said("pong"))
    assert watch.screen(ours).text == numbered(TOKENS)
    assert watch.screen(others).text == numbered(TOKENS // 2)


async def test_a_status_is_what_a_stream_comes_into_view_by(client: Client, shared: Shared) -> None:
    failing, whole = new_session(), new_session()
    async with (
        watching(shared.apis[0].url, status="error") as errors,
        watching(shared.apis[0].url, status="completed") as completed,
    ):
        await client.ask(session_id=failing, model="mock?status=400")
        await client.ask(session_id=whole, model="mock?tokens=3")
        await completed.until(lambda: completed.ended(whole))
        await errors.until(lambda: errors.ended(failing))
    assert (errors.screen(failing).names, completed.screen(whole).names) == (["error"], ["end"])
    assert f"{whole}.1" not in errors.screens
    assert f"{failing}.1" not in completed.screens


async def test_a_cancelled_answer_does_not_look_whole(client: Client, shared: Shared) -> None:
    session = new_session()
    async with watching(shared.apis[1].url, sessionId=session) as watch:
        await client.ask(session_id=session, model=held(session))
        await watch.until(lambda: watch.screen(session).text == numbered(TOKENS // 2))
        await client.cancel(session)
        await watch.until(lambda: watch.ended(session))
    end = watch.screen(session).end
    assert end is not None
    assert (end.name, end.data["finishReason"], end.data["reason"]) == ("llm.stream.end", "error", "cancelled")


async def test_what_a_model_thinks_and_calls_is_told_apart(client: Client, shared: Shared) -> None:
    session = new_session()
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    async with watching(shared.apis[1].url, sessionId=session) as watch:
        model = "mock?tokens=3&reasoning=4&tools=1"
        await client.ask(session_id=session, model=model, options={"tools": [tool]})
        await watch.until(lambda: watch.ended(session))
    screen = watch.screen(session)
    assert (screen.text, screen.reasoning) == (numbered(3), "".join(f"r{n:06d} " for n in range(4)))
    tools = [event.data for event in screen.events if event.name == "llm.stream.tool"]
    assert (tools[0]["name"], tools[0]["phase"] in ("call", "begun")) == ("look", True)
    assert screen.end is not None
    assert screen.end.data["reason"] == "tool_calls"


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


async def test_a_key_sees_its_own_sessions(guarded: Guarded, alice: Client, bob: Client) -> None:
    hers, his = new_session(), new_session()
    async with (
        watching(guarded.apis[1].url, key=ALICE, goalId="shared words") as she,
        watching_sse(guarded.apis[0].url, key=BOB) as he,
    ):
        for client, session in ((alice, hers), (bob, his)):
            for mode in ("queue", "direct"):
                model = f"mock?tokens={TOKENS}&rate=200"
                await client.ask(session_id=f"{session}-{mode}", model=model, mode=mode, goal_id="shared words")
        await she.until(lambda: she.ended(f"{hers}-queue", f"{hers}-direct"))
        await he.until(lambda: he.ended(f"{his}-queue", f"{his}-direct"))
    assert she.screens.keys() == {f"{hers}-queue.1", f"{hers}-direct.1"}
    assert he.screens.keys() == {f"{his}-queue.1", f"{his}-direct.1"}


async def test_a_page_opens_it_by_a_ticket_of_its_own(guarded: Guarded, alice: Client, stranger: Client) -> None:
    ticket = (await alice.http.post("/ws/ticket", json={"path": "/ws/events"})).json()["ticket"]
    async with watching(guarded.apis[1].url, protocols=with_ticket(ticket)) as watch:
        assert watch.words == [{"type": "ready"}]
    other = (await alice.http.post("/ws/ticket", json={"path": "/ws/stream/s"})).json()["ticket"]
    async with open_socket(guarded.apis[1].url, "/ws/events", protocols=with_ticket(other)) as socket:
        assert await close_code(socket) == 4401
    assert_problem(await stranger.http.get("/events"), 401, "unauthorized")


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no JSON",
        "[]",
        '{"type":"shout"}',
        '{"type":"subscribe","goal_id":"g"}',
        '{"type":"subscribe","status":"x"}',
        '{"type":"subscribe","goalId":""}',
        '{"type":"subscribe","goalId":7}',
    ],
)
async def test_a_message_that_is_wrong_is_told_so(shared: Shared, frame: str) -> None:
    async with watching(shared.apis[0].url, goalId="g") as watch:
        await watch.socket.send(frame)
        await watch.until(lambda: watch.said("error"))
        assert watch.words[-1]["code"] == "bad_message"
        await watch.subscribe(goalId="h")


async def test_who_sends_nothing_else_is_sent_away(shared: Shared) -> None:
    async with open_socket(shared.apis[0].url, "/ws/events") as socket:
        for _ in range(MOST_BAD_MESSAGES + 1):
            await socket.send("hello?")
        assert await close_code(socket) == 4400


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"goal_id": "g"}, "goal_id"),
        ({"status": "busy"}, "status"),
        ({"batchMs": "-1"}, "batchMs"),
        ({"goalId": ""}, "goalId"),
    ],
)
async def test_a_question_that_is_wrong_is_refused_by_name(
    client: Client, shared: Shared, query: dict[str, str], field: str
) -> None:
    assert_problem(await client.http.get("/events", params=query), 422, "invalid_input", field=field)
    async with open_socket(shared.apis[0].url, "/ws/events", **query) as socket:
        assert await close_code(socket) == 4422


async def test_an_id_of_something_else_is_refused(client: Client, shared: Shared) -> None:
    response = await client.http.get("/events", headers={"Last-Event-ID": "1.1.42"})
    assert_problem(response, 400, "invalid_event_id")


async def test_there_are_only_so_many_watchers(stack: Stack) -> None:
    api = stack.start_api(MAX_WATCHERS="1")
    async with watching(api.url), Client(api.url) as client:
        assert_problem(await client.http.get("/events"), 429, "too_many_streams")
        async with open_socket(api.url, "/ws/events") as socket:
            assert await close_code(socket) == 4429
    async with watching_sse(api.url):
        pass


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
        self._http = httpx.AsyncClient()
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
async def stalling(api: Api, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A reader of this stream, which stops to read once it has begun."""
    url = urlsplit(api.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.hostname, url.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        await reader.readuntil(b"retry: 1000\n\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        yield reader, writer
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
    """Each stream ends once all the same."""
    goal, watch = new_session(), SseWatch()
    async with stalling(shared.apis[1], f"/events?goalId={goal}") as (reader, writer):
        sessions = await say_much(client, goal)
        await asyncio.sleep(LAG_SECONDS + 1)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        await watch.read_lines(_lines(reader), lambda: watch.ended(*sessions))
    assert watch.missed > 0
    assert all(screen.end is not None and screen.end.name == "llm.stream.end" for screen in watch.screens.values())
    assert len(watch.screens) == len(sessions)
    assert sum(len(screen.text) for screen in watch.screens.values()) < len(sessions) * len(numbered(40000))


async def test_a_process_that_stops_waits_for_no_reader_that_has_stalled(client: Client, shared: Shared) -> None:
    goal, api = new_session(), shared.stack.start_api()
    async with stalling(api, f"/events?goalId={goal}"):
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
