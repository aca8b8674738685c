"""The model's service fails: retried before the first token, restarted or ended after it, never a hang."""

from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any

import pytest

from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.integration.conftest import Shared, assert_problem, eventually, mock_stats, tries
from tests.patience import promised
from tests.processes import Api

pytestmark = pytest.mark.anyio

TIMEOUT_SECONDS = 3.0
"""Long enough for the mock upstream to answer in, on a busy machine as well."""
SSE = "text/event-stream"


@pytest.fixture(scope="module")
def impatient_api(shared: Shared) -> Iterator[Api]:
    """Answers directly, waits but a moment for the model's service, tries twice, keeps a partial."""
    api = shared.stack.start_api(
        OPENAI_MODEL="mock?status=401",
        PROVIDER_TIMEOUT=str(TIMEOUT_SECONDS),
        PROVIDER_FIRST_TIMEOUT=str(TIMEOUT_SECONDS),
        PROVIDER_RETRIES="1",
        PROVIDER_DROP="error",
    )
    yield api
    api.stop()


@pytest.fixture
async def impatient(impatient_api: Api) -> AsyncIterator[Client]:
    client = Client(impatient_api.url)
    yield client
    await client.close()


async def test_401_is_not_tried_again_and_does_not_tell_the_key(client: Client, shared: Shared) -> None:
    series = new_session()
    events = await _answer(client, f"mock?status=401&id={series}&fail_times=9")
    _assert_error(events, "provider_error", "401")
    assert "test-key" not in str(events)
    assert tries(shared.stack, series) == 1


async def test_429_is_tried_again_when_the_service_says(client: Client, shared: Shared) -> None:
    """Our own back-off would be shorter: half a second at most."""
    series, session = new_session(), new_session()
    model = f"mock?tokens=5&status=429&retry_after=1.2&id={series}&fail_times=1"
    begin = monotonic()
    with promised(2.0):
        assert text_of(await _answer(client, model, session)) == numbered(5)
    assert monotonic() - begin > 1.2
    assert tries(shared.stack, series) == 2
    assert (await client.turn(session))["attempt"] == 1


@pytest.mark.parametrize("trouble", ["status=500", "status=503", "garbage=json", "drop_after=0&drop_times=1"])
async def test_a_failure_before_the_first_token_is_tried_again(client: Client, shared: Shared, trouble: str) -> None:
    series = new_session()
    times = "" if "drop" in trouble else "&fail_times=1"
    events = await _answer(client, f"mock?tokens=5&{trouble}&id={series}{times}")
    assert text_of(events) == numbered(5)
    assert types_of(events)[-2:] == ["start", "done"]
    assert tries(shared.stack, series) == 2


async def test_a_service_that_keeps_failing_ends_the_turn(impatient: Client, shared: Shared) -> None:
    series, session = new_session(), new_session()
    events = await _answer_directly(impatient, f"mock?status=500&id={series}&fail_times=9", session)
    _assert_error(events, "provider_error", "500")
    assert tries(shared.stack, series) == 2  # PROVIDER_RETRIES=1
    turn = await impatient.turn(session)
    assert (turn["status"], turn["error"]["code"], turn["text"]) == ("error", "provider_error", "")


@pytest.mark.parametrize("garbage", ["json", "html", "error"])
async def test_garbage_instead_of_an_answer(impatient: Client, garbage: str) -> None:
    _assert_error(await _answer_directly(impatient, f"mock?garbage={garbage}"), "provider_error")


@pytest.mark.parametrize("garbage", ["json", "html", "error"])
async def test_garbage_in_mid_answer_keeps_the_partial(impatient: Client, garbage: str) -> None:
    session = new_session()
    events = await _answer_directly(impatient, f"mock?garbage={garbage}&garbage_after=4", session)
    _assert_error(events, "provider_drop")
    assert text_of(events) == numbered(4)
    turn = await impatient.turn(session)
    assert (turn["status"], turn["text"]) == ("error", numbered(4))


async def test_a_service_that_never_answers(impatient: Client, shared: Shared) -> None:
    begin = monotonic()
    open_before = mock_stats(shared.stack)["open_streams"]
    with promised(2 * TIMEOUT_SECONDS + 3):
        _assert_error(await _answer_directly(impatient, "mock?hang"), "provider_error", "in time")
    assert monotonic() - begin >= 2 * TIMEOUT_SECONDS
    await eventually(lambda: mock_stats(shared.stack)["open_streams"] <= open_before)


async def test_a_service_that_falls_silent_in_mid_answer(impatient: Client) -> None:
    events = await _answer_directly(impatient, "mock?stall_after=4")
    _assert_error(events, "provider_drop", "in time")
    assert text_of(events) == numbered(4)


async def test_a_drop_in_mid_answer_restarts_it(client: Client, other_client: Client, shared: Shared) -> None:
    """Two viewers see the partial before it goes; of its last moments as much as was on its way by then."""
    session = new_session()
    model = f"mock?tokens=20&rate=40&hold_after=8&drop_after=10&drop_times=1&id={session}"
    await client.ask(session_id=session, model=model)
    async with client.stream(session) as here, other_client.stream(session) as there:
        for stream in (here, there):
            await stream.read_chars(len(numbered(8)))
        shared.stack.release(session)
        seen = [await here.rest(), await there.rest()]
    for events in seen:
        assert [t for t in types_of(events) if t != "queued"] == ["start", "restart", "done"]
        at = [event.data.get("type") for event in events].index("restart")
        by = {"model": model, "provider": "openai"}
        assert events[at] == ("1.2.0", {"type": "restart", "attempt": 2, "reason": "provider_drop", **by})
        partial = text_of(events[:at])
        assert numbered(10).startswith(partial)
        assert partial.startswith(numbered(8))
        assert text_of(events) == numbered(20)
    turn = await client.turn(session)
    assert (turn["status"], turn["attempt"], turn["text"]) == ("done", 2, numbered(20))


async def test_a_service_that_always_drops_is_given_up(client: Client) -> None:
    session = new_session()
    events = await _answer(client, "mock?tokens=20&drop_after=5", session)
    _assert_error(events, "provider_drop")
    turn = await client.turn(session)
    assert (turn["status"], turn["attempt"], turn["text"]) == ("error", 3, numbered(5))


async def test_a_drop_with_the_error_policy_keeps_the_partial(impatient: Client) -> None:
    session = new_session()
    events = await _answer_directly(impatient, "mock?tokens=20&drop_after=10", session)
    _assert_error(events, "provider_drop")
    assert text_of(events) == numbered(10)
    turn = await impatient.turn(session)
    assert (turn["status"], turn["attempt"], turn["text"]) == ("error", 1, numbered(10))
    assert (await impatient.ask(session_id=session, mode="direct", model="mock?tokens=1")).status_code == 200


async def test_plain_text_has_a_status_for_a_failure_before_the_first_token(client: Client) -> None:
    for mode in ("queue", "direct"):
        body = {"message": "hello", "mode": mode, "model": "mock?status=401"}
        response = await client.http.post("/chat", json=body, headers={"Accept": "text/plain"})
        problem = assert_problem(response, 502, "provider_error")
        assert "OPENAI_API_KEY" in problem["detail"]


async def test_the_test_route_tells_of_a_failing_service(impatient: Client) -> None:
    assert "401" in assert_problem(await impatient.http.get("/test"), 502, "provider_error")["detail"]


async def _answer(client: Client, model: str, session: str | None = None) -> list[SseEvent]:
    async with client.ask_streaming(accept=SSE, model=model, session_id=session or new_session()) as stream:
        return await stream.rest()


async def _answer_directly(client: Client, model: str, session: str | None = None) -> list[SseEvent]:
    fields: dict[str, Any] = {"mode": "direct", "model": model, "session_id": session or new_session()}
    async with client.ask_streaming(accept=SSE, **fields) as stream:
        return await stream.rest()


def _assert_error(events: list[SseEvent], code: str, word: str = "") -> None:
    """One terminal event, and it is this error."""
    end = events[-1].data
    assert (end["type"], end["code"]) == ("error", code)
    assert word in end["message"]
    assert types_of(events).count("error") + types_of(events).count("done") == 1
