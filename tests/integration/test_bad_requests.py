"""Bad input: each is refused with a problem that names the field, and leaves nothing behind."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from core.settings import Settings
from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Shared, assert_problem

pytestmark = pytest.mark.anyio

MAX_CHARS: int = Settings.model_fields["max_message_chars"].default
JSON = {"Content-Type": "application/json"}
BAD_IDS = ["", "..", ".", "a.b", "a b", "a\n", "a\nb", "x" * 129, "é", "a%2Fb", "a\0"]


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b'{"message": "hi"', b"[]", b'"hi"', b"null", b'{"message": "\xff"}', b"[" * 200_000],
    ids=["nothing", "text", "cut off", "list", "string", "null", "not UTF-8", "nested too deeply"],
)
async def test_not_json(client: Client, body: bytes) -> None:
    assert_problem(await client.http.post("/chat", content=body, headers=JSON), 422, "invalid_input", field="body")


async def test_json_that_does_not_say_so(client: Client) -> None:
    headers = {"Content-Type": "text/plain"}
    response = await client.http.post("/chat", content=b'{"message": "hi"}', headers=headers)
    assert_problem(response, 422, "invalid_input", field="body")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n\t\u2003"}, "message"),
        ({"message": 1}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"message": "hi", "massage": "hi"}, "massage"),
        ({"message": "hi", "mode": "slow"}, "mode"),
        ({"message": "hi", "model": ""}, "model"),
        ({"message": "hi", "model": "a\nb"}, "model"),
        ({"message": "hi", "replaces": 0}, "replaces"),
        ({"message": "hi", "options": {"temperature": 3}}, "options.temperature"),
        ({"message": "hi", "options": {"temperature": float("nan")}}, "options.temperature"),
        ({"message": "hi", "options": {"max_tokens": 0}}, "options.max_tokens"),
        ({"message": "hi", "options": {"max_tokens": True}}, "options.max_tokens"),
        ({"message": "hi", "options": {"seed": False}}, "options.seed"),
        ({"message": "hi", "options": {"temperature": "1"}}, "options.temperature"),
        ({"message": "hi", "options": {"stream": False}}, "options.stream"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named(client: Client, body: dict[str, object], field: str) -> None:
    session = new_session()
    content = json.dumps(body | {"session_id": session})
    response = await client.http.post("/chat", content=content, headers=JSON)
    assert_problem(response, 422, "invalid_input", field=field)
    assert_problem(await client.http.get(f"/sessions/{session}"), 404, "not_found")


async def test_half_a_surrogate_pair_is_no_text(client: Client) -> None:
    response = await client.http.post("/chat", content=b'{"message": "\\ud83d"}', headers=JSON)
    assert_problem(response, 422, "invalid_input", field="message")


async def test_the_answer_to_bad_input_does_not_repeat_the_message(client: Client) -> None:
    response = await client.ask("my secret", mode="nonsense")
    assert "my secret" not in response.text


async def test_a_message_may_be_as_long_as_the_limit_and_no_longer(client: Client) -> None:
    session = new_session()
    body = json.dumps({"message": "😀" * MAX_CHARS, "session_id": session, "model": "mock?tokens=1"})
    assert len(body) > MAX_CHARS * 12  # the longest way to write it
    assert (await client.http.post("/chat", content=body, headers=JSON)).status_code == 202
    await client.until(session, "done")

    refused = new_session()
    assert_problem(await client.ask("x" * (MAX_CHARS + 1), session_id=refused), 413, "too_large", field="message")
    assert_problem(await client.http.get(f"/sessions/{refused}"), 404, "not_found")


@pytest.mark.parametrize("announced", [True, False], ids=["with its length", "in chunks"])
async def test_a_body_that_is_too_large(client: Client, announced: bool) -> None:
    body = b'{"message": "' + b"x" * 1_700_000 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    response = await client.http.post("/chat", content=body if announced else chunks(), headers=JSON)
    assert_problem(response, 413, "too_large", field="body")


@pytest.mark.parametrize("session_id", [*BAD_IDS, "a/b", "../chat"], ids=repr)
async def test_a_bad_session_id_in_the_body(client: Client, session_id: str) -> None:
    assert_problem(await client.ask(session_id=session_id), 422, "invalid_input", field="session_id")


@pytest.mark.parametrize("session_id", BAD_IDS[1:], ids=repr)
async def test_a_bad_session_id_in_the_path(client: Client, session_id: str) -> None:
    for response in await _everywhere(client, session_id):
        assert_problem(response, 422, "invalid_input", field="session_id")


async def test_a_slash_in_the_path_is_no_id(client: Client) -> None:
    for response in await _everywhere(client, "a/b"):
        assert_problem(response, 404, "not_found")


async def test_the_longest_id_is_accepted(client: Client) -> None:
    session = (new_session() + "_-" * 64)[:128]
    assert (await client.ask(session_id=session, model="mock?tokens=3")).json()["session_id"] == session
    assert text_of(await client.read(session)) == numbered(3)


async def test_an_unknown_session(client: Client) -> None:
    for response in await _everywhere(client, new_session()):
        assert_problem(response, 404, "not_found")


async def test_a_turn_that_the_session_does_not_have(client: Client) -> None:
    session = new_session()
    await client.ask(session_id=session, model="mock?tokens=1")
    await client.until(session, "done")
    assert_problem(await client.http.get(f"/stream/{session}?turn=2"), 404, "not_found")
    for turn in ("0", "-1", "x", "9" * 30):
        response = await client.http.get(f"/stream/{session}?turn={turn}")
        assert_problem(response, 422, "invalid_input", field="turn")


@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_a_second_turn_is_refused_and_the_first_unharmed(
    client: Client, other_client: Client, shared: Shared, mode: str
) -> None:
    session = new_session()
    await client.ask(session_id=session, model=f"mock?tokens=40&rate=40&hold_after=20&id={session}")
    async with client.stream(session) as stream:
        await stream.read_until("chunk")
        for on in (client, other_client):
            assert_problem(await on.ask(session_id=session, mode=mode), 409, "turn_running")
        shared.stack.release(session)
        assert text_of(await stream.rest()) == numbered(40)
    assert [turn["turn"] for turn in (await client.show(session))["turns"]] == [1]
    assert (await client.ask(session_id=session, model="mock?tokens=1")).json()["turn"] == 2


async def _everywhere(client: Client, session_id: str) -> list[httpx.Response]:
    """Every route that takes a session's id, which is put into the path as it is (percent-encoded)."""
    raw = "".join(f"%{byte:02X}" for byte in session_id.encode()) if session_id != "a/b" else "a%2Fb"
    return [
        await client.http.get(f"/stream/{raw}"),
        await client.http.post(f"/chat/{raw}/cancel"),
        await client.http.get(f"/sessions/{raw}"),
        await client.http.delete(f"/sessions/{raw}"),
    ]
