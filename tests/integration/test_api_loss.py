"""An API process is killed, stopped or cut off in mid-answer: its clients go on at the very next character."""

import signal
from collections.abc import Iterator

import anyio
import httpx
import pytest

from tests.client import Client, Stream, new_session, numbered, text_of, types_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats, tries
from tests.proxy import Proxy
from tests.stack import Api

pytestmark = pytest.mark.anyio

TOKENS = 60
RATE = 40
EXIT_SECONDS = 5
GIVEN_UP_SECONDS = 8.0
"""For a process's direct turns to be given up: its silence shows after 4 s."""


@pytest.fixture
def doomed(shared: Shared) -> Iterator[Api]:
    """A third API process of the shared stack."""
    api = shared.stack.start_api()
    yield api
    api.kill()


async def test_a_client_of_a_killed_api_resumes_elsewhere(client: Client, doomed: Api, shared: Shared) -> None:
    doomed_client = Client(doomed.url)
    session = await _ask(doomed_client)
    async with doomed_client.stream(session) as stream:
        await stream.read_chars(80)
        doomed.kill()
        with pytest.raises(httpx.TransportError):
            await stream.rest()
    await _assert_resumes(client, session, stream)
    assert tries(shared.stack, session) == 1
    await doomed_client.close()


async def test_a_stopping_api_ends_its_streams_so_that_clients_resume(
    client: Client, doomed: Api, shared: Shared
) -> None:
    """In order: the response ends, but the answer has no terminal event, so nobody takes it for whole."""
    doomed_client = Client(doomed.url)
    session = await _ask(doomed_client)
    async with doomed_client.stream(session) as stream, doomed_client.stream(session) as idle:
        await stream.read_chars(80)
        doomed.signal(signal.SIGTERM)
        with anyio.fail_after(EXIT_SECONDS):
            await stream.rest()
            await idle.rest()
    await eventually(lambda: not doomed.alive, EXIT_SECONDS)
    await _assert_resumes(client, session, stream)
    await _assert_resumes(client, session, idle)
    assert tries(shared.stack, session) == 1
    await doomed_client.close()


async def test_a_stopping_api_lets_a_direct_answer_finish(doomed: Api) -> None:
    """Nobody else could go on with it, so it gets the grace time."""
    doomed_client = Client(doomed.url)
    fields = {"mode": "direct", "model": f"mock?tokens={TOKENS}&rate={RATE}"}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.signal(signal.SIGTERM)
        events = await stream.rest()
    assert (text_of(events), events[-1].data["finish_reason"]) == (numbered(TOKENS), "stop")
    await eventually(lambda: not doomed.alive, EXIT_SECONDS)
    await doomed_client.close()


async def test_a_direct_turn_of_a_killed_api_does_not_block_its_session(client: Client, doomed: Api) -> None:
    doomed_client = Client(doomed.url)
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": "mock?tokens=2000&rate=40"}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.kill()
    await client.ask_until_accepted(session_id=session, model="mock?tokens=2", seconds=GIVEN_UP_SECONDS)
    lost = await client.turn(session)
    assert (lost["status"], lost["error"]["code"]) == ("error", "process_lost")
    assert (await client.until(session, "done", number=2))["text"] == numbered(2)
    await doomed_client.close()


async def test_a_direct_answer_ends_that_was_given_up_while_its_api_was_frozen(client: Client, doomed: Api) -> None:
    doomed_client = Client(doomed.url)
    session = new_session()
    fields = {"session_id": session, "mode": "direct", "model": "mock?tokens=2000&rate=40"}
    async with doomed_client.ask_streaming(accept="text/event-stream", **fields) as stream:
        await stream.read_chars(80)
        doomed.signal(signal.SIGSTOP)
        await client.ask_until_accepted(session_id=session, model="mock?tokens=2", seconds=GIVEN_UP_SECONDS)
        doomed.signal(signal.SIGCONT)
        with anyio.fail_after(5):
            last = (await stream.rest())[-1]
    assert (last.data["type"], last.data["code"]) == ("error", "attempt_lost")
    await doomed_client.close()


async def test_a_stopping_api_says_so_where_no_text_has_come_yet(client: Client, doomed: Api, shared: Shared) -> None:
    doomed_client = Client(doomed.url)
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
    await client.cancel(session)
    await doomed_client.close()


async def test_viewers_of_an_api_that_loses_the_broker_see_a_pause(shared: Shared, proxy: Proxy) -> None:
    """Cut, and later away for a while. Its viewers lose and double nothing; one joins while the broker is away."""
    api = shared.stack.start_api(RABBIT_MQ=proxy.url)
    client = Client(api.url)
    session = await _ask(client)
    late: list[str] = []

    async def join_late() -> None:
        late.append(text_of(await client.read(session)))

    async with client.stream(session) as stream, anyio.create_task_group() as viewers:
        await stream.read_chars(80)
        proxy.cut()
        await stream.read_chars(160)
        proxy.refuse()
        viewers.start_soon(join_late)
        before = mock_stats(shared.stack)["tokens"]
        await eventually(lambda: mock_stats(shared.stack)["tokens"] >= before + 10)
        proxy.restore()
        events = await stream.rest()
    assert text_of(events) == late[0] == numbered(TOKENS)
    assert "restart" not in types_of(events)
    assert types_of(events)[-1] == "done"
    positions = [int(event.id.rsplit(".", 1)[1]) for event in events if event.id]
    assert positions == sorted(positions)
    await client.close()
    api.stop()


async def test_what_came_while_the_broker_was_away_is_shown_though_nothing_more_comes(
    shared: Shared, proxy: Proxy
) -> None:
    api = shared.stack.start_api(RABBIT_MQ=proxy.url)
    client = Client(api.url)
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=60&rate=20&stall_after=20")
    async with client.stream(session) as stream:
        await stream.read_chars(40)
        before = mock_stats(shared.stack)["tokens"]
        proxy.refuse()
        await eventually(lambda: mock_stats(shared.stack)["tokens"] >= before + 10)
        proxy.restore()
        with anyio.fail_after(5):
            assert await stream.read_chars(len(numbered(20))) == numbered(20)
        await client.cancel(session)
        assert text_of(await stream.rest()) == numbered(20)
    await client.close()
    api.stop()


async def _ask(client: Client) -> str:
    session = new_session()
    model = f"mock?tokens={TOKENS}&rate={RATE}&id={session}"
    assert (await client.ask(session_id=session, model=model)).status_code == 202
    return session


async def _assert_resumes(client: Client, session: str, stream: Stream) -> None:
    """What was seen there and what is read here make the whole answer, without a restart."""
    assert "done" not in types_of(stream.seen)
    rest = await client.read(session, stream.last_id)
    assert text_of(stream.seen) + text_of(rest) == numbered(TOKENS)
    assert types_of(rest)[-1] == "done"
    assert "restart" not in types_of(rest)
