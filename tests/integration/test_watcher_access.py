"""Who may watch what, and what is wrong with a question is told."""

import pytest

from api.watchers.socket import MOST_BAD_MESSAGES
from tests.client import Client, new_session
from tests.integration.conftest import ALICE, BOB, Guarded, Shared, assert_problem
from tests.sockets import close_code, open_socket, with_ticket
from tests.stack import Stack
from tests.watching import TOKENS, watching, watching_sse

pytestmark = pytest.mark.anyio


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
