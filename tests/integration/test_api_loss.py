"""An API process is killed, stopped or cut off in mid-answer: its clients go on at the very next character."""

import signal
from collections.abc import AsyncIterator, Iterator

import anyio
import httpx
import pytest

from tests.client import Client, Stream, new_session, numbered, text_of, types_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats, tries
from tests.patience import promised
from tests.processes import Api
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio

TOKENS = 60
HELD_AFTER = 50
"""The last tokens come when the test has done its part, so that the answer has not ended before."""
RATE = 40
EXIT_SECONDS = 5.0
SHOWN_SECONDS = 5.0
GIVEN_UP_SECONDS = 8.0
"""For a process's direct turns to be given up: its silence shows after 4 s."""


@pytest.fixture
def doomed(shared: Shared) -> Iterator[Api]:
    """A third API process of the shared stack."""
    api = shared.stack.start_api()
    yield api
    api.kill()


@pytest.fixture
async def doomed_client(client: Client, doomed: Api) -> AsyncIterator[Client]:
    async with Client(doomed.url) as doomed_client:
        yield doomed_client


@pytest.fixture
async def cut_off(client: Client, shared: Shared, proxy: Proxy) -> AsyncIterator[Client]:
    """Of a third API process, which reaches the broker through the proxy."""
    async with Client(shared.stack.start_api(RABBIT_MQ=proxy.url).url) as cut_off:
        yield cut_off


async def test_a_client_of_a_killed_api_resumes_elsewhere(
    client: Client, doomed_client: Client, doomed: Api, shared: Shared
) -> None:
    session = await _ask(doomed_client)
    async with doomed_client.stream(session) as stream:
        await stream.read_chars(80)
        doomed.kill()
        with pytest.raises(httpx.TransportError):
            await stream.rest()
    shared.stack.release(session)
    await _assert_resumes(client, session, stream)
    assert tries(shared.stack, session) == 1


async def test_a_stopping_api_ends_its_streams_so_that_clients_resume(
    client: Client, doomed_client: Client, doomed: Api, shared: Shared
) -> None:
    """In order: the response ends, but the answer has no terminal event, so nobody takes it for whole."""
    session = await _ask(doomed_client)
    async with doomed_client.stream(session) as stream, doomed_client.stream(session) as idle:
        await stream.read_chars(80)
        doomed.signal(signal.SIGTERM)
        with promised(EXIT_SECONDS):
            await stream.rest()
            await idle.rest()
    with promised(EXIT_SECONDS):
        await eventually(lambda: not doomed.alive)
    shared.stack.release(session)
    await _assert_resumes(client, session, stream)
    await _assert_resumes(client, session, idle)
    assert tries(shared.stack, session) == 1


async def test_a_stopping_api_lets_a_direct_answer_finish(doomed_client: Client, doomed: Api, shared: Shared) -> None:
    """Nobody else could go on with it, so it gets the grace time."""
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": _model(session)}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.signal(signal.SIGTERM)
        shared.stack.release(session)
        events = await stream.rest()
    assert (text_of(events), events[-1].data["finish_reason"]) == (numbered(TOKENS), "stop")
    with promised(EXIT_SECONDS):
        await eventually(lambda: not doomed.alive)


async def test_a_direct_turn_of_a_killed_api_does_not_block_its_session(
    client: Client, doomed_client: Client, doomed: Api
) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": "mock?tokens=2000&rate=40"}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.kill()
    with promised(GIVEN_UP_SECONDS):
        await client.ask_until_accepted(session_id=session, model="mock?tokens=2")
    lost = await client.turn(session)
    assert (lost["status"], lost["error"]["code"]) == ("error", "process_lost")
    assert (await client.until(session, "done", number=2))["text"] == numbered(2)


async def test_a_direct_answer_ends_that_was_given_up_while_its_api_was_frozen(
    client: Client, doomed_client: Client, doomed: Api
) -> None:
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": "mock?tokens=2000&rate=40"}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.signal(signal.SIGSTOP)
        with promised(GIVEN_UP_SECONDS):
            await client.ask_until_accepted(session_id=session, model="mock?tokens=2")
        doomed.signal(signal.SIGCONT)
        with promised(SHOWN_SECONDS):
            last = (await stream.rest())[-1]
    assert (last.data["type"], last.data["code"]) == ("error", "attempt_lost")


async def test_a_stopping_api_says_so_where_no_text_has_come_yet(
    doomed_client: Client, doomed: Api, shared: Shared
) -> None:
    session = new_session()

    async def stop() -> None:
        await eventually(lambda: tries(shared.stack, session) == 1)
        doomed.signal(signal.SIGTERM)

    async with anyio.create_task_group() as meanwhile:
        meanwhile.start_soon(stop)
        body = {"message": "hello", "session_id": session, "model": f"mock?hang&id={session}"}
        response = await doomed_client.http.post("/chat", json=body, headers={"Accept": "text/plain"})
    assert_problem(response, 503, "closing")
    assert response.headers["retry-after"] == "1"


async def test_viewers_of_an_api_that_loses_the_broker_see_a_pause(
    cut_off: Client, shared: Shared, proxy: Proxy
) -> None:
    """Cut, and later away for a while. Its viewers lose and double nothing; one joins while the broker is away."""
    session = await _ask(cut_off, held_after=20)
    late: list[str] = []

    async def join_late() -> None:
        late.append(text_of(await cut_off.read(session)))

    async with cut_off.stream(session) as stream, anyio.create_task_group() as viewers:
        await stream.read_chars(80)
        proxy.cut()
        await stream.read_chars(len(numbered(20)))
        proxy.refuse()
        viewers.start_soon(join_late)
        await _release(shared, session, 10)
        proxy.restore()
        events = await stream.rest()
    assert text_of(events) == late[0] == numbered(TOKENS)
    assert "restart" not in types_of(events)
    assert types_of(events)[-1] == "done"
    positions = [int(event.id.rsplit(".", 1)[1]) for event in events if event.id]
    assert positions == sorted(positions)


async def test_what_came_while_the_broker_was_away_is_shown_though_nothing_more_comes(
    cut_off: Client, shared: Shared, proxy: Proxy
) -> None:
    session = await _ask(cut_off, held_after=5, more="&stall_after=20")
    async with cut_off.stream(session) as stream:
        await stream.read_chars(len(numbered(5)))
        proxy.refuse()
        await _release(shared, session, 15)
        proxy.restore()
        with promised(SHOWN_SECONDS):
            assert await stream.read_chars(len(numbered(20))) == numbered(20)
        await cut_off.cancel(session)
        assert text_of(await stream.rest()) == numbered(20)


def _model(session: str, *, held_after: int = HELD_AFTER) -> str:
    return f"mock?tokens={TOKENS}&rate={RATE}&hold_after={held_after}&id={session}"


async def _ask(client: Client, *, held_after: int = HELD_AFTER, more: str = "") -> str:
    session = new_session()
    model = _model(session, held_after=held_after) + more
    assert (await client.ask(session_id=session, model=model)).status_code == 202
    return session


async def _release(shared: Shared, session: str, tokens: int) -> None:
    """Let the answer go on, and wait until so many more tokens have been streamed."""
    before = mock_stats(shared.stack)["tokens"]
    shared.stack.release(session)
    await eventually(lambda: mock_stats(shared.stack)["tokens"] >= before + tokens)


async def _assert_resumes(client: Client, session: str, stream: Stream) -> None:
    """What was seen there and what is read here make the whole answer, without a restart."""
    assert "done" not in types_of(stream.seen)
    rest = await client.read(session, stream.last_id)
    assert text_of(stream.seen) + text_of(rest) == numbered(TOKENS)
    assert types_of(rest)[-1] == "done"
    assert "restart" not in types_of(rest)
