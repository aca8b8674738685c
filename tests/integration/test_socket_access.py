"""Who may open a WebSocket: by key, by a ticket that is used once, and from which pages."""

import json
from time import time
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from api.access.tickets import OPEN_TICKET, PROTOCOL, TICKET_SECONDS, Tickets
from tests.client import Client, new_session, numbered
from tests.integration.conftest import ALICE, BOB, KEYS, Guarded, Shared, assert_problem
from tests.sockets import close_code, open_socket, read, rest, text_of, with_ticket
from tests.stack import Stack

pytestmark = pytest.mark.anyio

UNKNOWN_KEY = "nobody-0123456789abcdef"


@pytest.fixture
async def session(alice: Client) -> str:
    """A finished turn of Alice's."""
    session = new_session()
    await alice.ask(session_id=session, model="mock?tokens=3")
    await alice.until(session, "done")
    return session


async def issue(client: Client, path: str) -> str:
    response = await client.http.post("/ws/ticket", json={"path": path})
    body = response.json()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert body == {"ticket": body["ticket"], "seconds": 60, "protocols": with_ticket(body["ticket"])}
    return str(body["ticket"])


async def refusal(url: str, path: str, **details: Any) -> tuple[int | None, str | None]:
    """The code and the reason with which it is closed at once."""
    async with open_socket(url, path, **details) as socket:
        assert socket.subprotocol == PROTOCOL
        assert await rest(socket) == []
        return socket.close_code, socket.close_reason


async def test_a_key_opens_what_is_its_own(guarded: Guarded, session: str) -> None:
    for api in guarded.apis:
        assert text_of(await read(api.url, session, key=ALICE)) == numbered(3)
        assert text_of(await read(api.url, session, key=ALICE, protocols=())) == numbered(3)
        assert (await refusal(api.url, f"/ws/stream/{session}", key=BOB))[0] == 4404


@pytest.mark.parametrize("path", ["/ws/stream/{session}", "/ws/stream/unknown", "/ws/nowhere", "/stream/{session}"])
@pytest.mark.parametrize("key", [None, UNKNOWN_KEY])
async def test_a_stranger_is_refused_whatever_there_is(
    guarded: Guarded, session: str, path: str, key: str | None
) -> None:
    url, path = guarded.apis[0].url, path.format(session=session)
    assert (await refusal(url, path, key=key))[0] == 4401
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(url, path, key=key, protocols=())
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert response.headers["www-authenticate"] == "Bearer"
    assert json.loads(response.body)["code"] == "unauthorized"


async def test_a_stream_token_opens_no_socket(guarded: Guarded, alice: Client) -> None:
    asked = (await alice.ask(model="mock?tokens=1")).json()
    path, _, query = asked["stream_url"].partition("?")
    assert (await refusal(guarded.apis[0].url, f"/ws{path}?{query}"))[0] == 4401


async def test_a_ticket_stands_for_its_key_once_at_whatever_process(
    guarded: Guarded, alice: Client, session: str
) -> None:
    path = f"/ws/stream/{session}"
    issuer, other = guarded.apis
    for first in (issuer, other):
        ticket = await issue(alice, path)
        async with open_socket(first.url, path, protocols=with_ticket(ticket)) as socket:
            assert socket.subprotocol == PROTOCOL
            assert text_of(await rest(socket)) == numbered(3)
        for again in guarded.apis:
            code, reason = await refusal(again.url, path, protocols=with_ticket(ticket))
            assert (code, "used before" in str(reason)) == (4401, True)


async def test_of_many_that_use_one_ticket_at_once_one_is_let_in(guarded: Guarded, alice: Client, session: str) -> None:
    path = f"/ws/stream/{session}"
    protocols = with_ticket(await issue(alice, path))
    codes: list[int | None] = []

    async def use(url: str) -> None:
        async with open_socket(url, path, protocols=protocols) as socket:
            codes.append(await close_code(socket))

    async with anyio.create_task_group() as users:
        for number in range(10):
            users.start_soon(use, guarded.apis[number % 2].url)
    assert sorted(code or 0 for code in codes) == [1000] + [4401] * 9


async def test_a_ticket_opens_nothing_else(guarded: Guarded, alice: Client, bob: Client, session: str) -> None:
    url, path = guarded.apis[0].url, f"/ws/stream/{session}"
    other = (await alice.ask(model="mock?tokens=1")).json()["session_id"]
    ticket = await issue(alice, path)
    code, reason = await refusal(url, f"/ws/stream/{other}", protocols=with_ticket(ticket))
    assert (code, "another path" in str(reason)) == (4401, True)
    middle = len(ticket) // 2
    changed = ticket[:middle] + ("A" if ticket[middle] != "A" else "B") + ticket[middle + 1 :]
    assert (await refusal(url, path, protocols=with_ticket(changed)))[0] == 4401
    bobs = await issue(bob, path)
    assert (await refusal(url, path, protocols=with_ticket(bobs)))[0] == 4404
    headers = {"Authorization": f"Bearer {ticket}", "Sec-WebSocket-Protocol": ", ".join(with_ticket(ticket))}
    async with Client(url) as stranger:
        assert_problem(await stranger.http.get(f"/stream/{session}", headers=headers), 401, "unauthorized")
        assert_problem(await stranger.http.post("/ws/ticket", json={"path": path}), 401, "unauthorized")
    assert text_of(await read(url, session, protocols=with_ticket(ticket))) == numbered(3)  # nothing has used it up


async def test_a_key_that_is_sent_counts_and_not_the_ticket_beside_it(
    guarded: Guarded, alice: Client, session: str
) -> None:
    url, path = guarded.apis[0].url, f"/ws/stream/{session}"
    protocols = with_ticket(await issue(alice, path))
    assert (await refusal(url, path, key=UNKNOWN_KEY, protocols=protocols))[0] == 4401
    assert text_of(await read(url, session, key=ALICE, protocols=protocols)) == numbered(3)
    assert text_of(await read(url, session, protocols=protocols)) == numbered(3)


async def test_an_expired_ticket_is_refused(guarded: Guarded, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/ws/stream/{session}"
    with monkeypatch.context() as earlier:
        then = time() - TICKET_SECONDS - 1
        earlier.setattr("core.key_signer.time", lambda: then)
        ticket = Tickets({"alice": ALICE}).issue("alice", path)
    code, reason = await refusal(guarded.apis[0].url, path, protocols=with_ticket(ticket))
    assert (code, "expired" in str(reason)) == (4401, True)


async def test_a_ticket_is_given_for_what_there_is(alice: Client) -> None:
    for path in ("/ws/nowhere", "/stream/s", "/chat", "/ws/stream/"):
        assert_problem(await alice.http.post("/ws/ticket", json={"path": path}), 404, "not_found")
    for path in ("", "ws/stream/s", "/ws/stream/a b", "/" + "x" * 300):
        response = await alice.http.post("/ws/ticket", json={"path": path})
        assert_problem(response, 422, "invalid_input", field="path")


async def test_without_keys_a_ticket_is_neither_needed_nor_looked_at(client: Client, shared: Shared) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=3")
    assert await issue(client, f"/ws/stream/{session}") == OPEN_TICKET
    for ticket in (OPEN_TICKET, OPEN_TICKET, "whatever"):
        assert text_of(await read(shared.apis[0].url, session, protocols=with_ticket(ticket))) == numbered(3)


async def test_pages_of_other_origins_are_refused(guarded: Guarded, shared: Shared, client: Client) -> None:
    """CORS_ORIGINS is `*` here, as it is in development: that is no name."""
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=3")
    for api, details in ((shared.apis[0], {}), (guarded.apis[0], {"key": ALICE}), (guarded.apis[0], {})):
        for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):
            code, reason = await refusal(api.url, f"/ws/stream/{session}", origin=origin, **details)
            assert (code, "CORS_ORIGINS" in str(reason)) == (4403, True)
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(shared.apis[0].url, "/ws/stream/s", origin="https://evil.example", protocols=())
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["code"] == "origin_refused"
    assert text_of(await read(shared.apis[0].url, session, origin=shared.apis[0].url)) == numbered(3)


async def test_without_keys_a_page_whose_host_was_pointed_to_us_is_refused(shared: Shared) -> None:
    port = shared.apis[0].url.rpartition(":")[2]
    url = f"ws://evil.example:{port}/ws/stream/unknown"
    protocols = [Subprotocol(PROTOCOL)]
    for origin, code in ((Origin(f"http://evil.example:{port}"), 4403), (None, 4404)):
        async with connect(
            url, host="127.0.0.1", port=int(port), proxy=None, subprotocols=protocols, origin=origin
        ) as socket:
            assert await close_code(socket) == code


async def test_named_origins_are_let_in_and_no_query_or_ticket_is_logged(stack: Stack) -> None:
    api = stack.start_api(
        access_log=True,
        API_KEYS=KEYS,
        CORS_ORIGINS="https://chat.example",
        LOG_LEVEL="debug",
    )
    path = "/ws/stream/unknown"
    async with Client(api.url, ALICE) as client:
        ticket = await issue(client, path)
    query = {"last_event_id": "a-secret-query"}
    for details in (
        {"protocols": with_ticket(ticket)},
        {"key": ALICE},
        {"key": BOB, "protocols": ()},
        {"protocols": with_ticket(ticket)},
    ):
        if details.get("protocols") == ():
            with pytest.raises(InvalidStatus):
                await open_socket(api.url, path, origin="https://chat.example", **query, **details)
        else:
            code, _ = await refusal(api.url, path, origin="https://chat.example", **query, **details)
            assert code in (4400, 4401)
    output = api.output()
    assert f'"WebSocket {path}" [accepted]' in output
    assert f'"WebSocket {path}" 400' in output
    for secret in ("a-secret-query", ticket, ticket[:20], ALICE, BOB):
        assert secret not in output
