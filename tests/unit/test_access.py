"""Who is let in: keys, stream tokens, and what is open."""

import hmac
from time import time
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from api.access.access import Access
from api.access.policy import RoutePolicies
from api.app import create_app
from core.model.errors import Unauthorized
from core.model.keys import TurnKey
from core.settings import Settings
from core.store.reach import EVERYTHING, Reach

ALICE, BOB = "alice-0123456789", "bob-9876543210-longer"
TURN = TurnKey("s-1", 2)
POLICIES = RoutePolicies(create_app(Settings(_env_file=None)).routes)


def access(**values: Any) -> Access:
    return Access(Settings(_env_file=None, **values))


@pytest.fixture
def guarded() -> Access:
    return access(api_keys=f"alice:{ALICE},bob:{BOB}", stream_token_seconds=60)


def connection(path: str, *, method: str = "GET", query: str = "", authorization: str | None = None) -> HTTPConnection:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    return HTTPConnection(
        {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    )


def admit(access: Access, path: str, **details: Any) -> Reach | None:
    caller = connection(path, **details)
    return access.admit(caller, POLICIES.find(caller.scope))


def refusal(access: Access, path: str, **details: Any) -> str:
    with pytest.raises(Unauthorized) as caught:
        admit(access, path, **details)
    return caught.value.message


def test_without_keys_everybody_reaches_everything() -> None:
    assert admit(access(), "/sessions", authorization="Bearer whatever") == EVERYTHING


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_a_key_reaches_what_is_its_own(guarded: Access, scheme: str) -> None:
    assert admit(guarded, "/sessions", authorization=f"{scheme} {BOB}") == Reach("bob")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Basic {ALICE}", ALICE, f"Bearer {ALICE}x", f"Bearer {ALICE[:-1]}", "Bearer \xe9\xff"],
)
def test_anything_else_is_refused(guarded: Access, authorization: str) -> None:
    assert "not known" in refusal(guarded, "/sessions", authorization=authorization)


@pytest.mark.parametrize("given", [ALICE, BOB, "wrong", ""])
def test_every_key_is_compared_in_constant_time(guarded: Access, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Also after a match, and digests of one length: neither which key nor how long it is can be measured."""
    pairs: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    try:
        admit(guarded, "/sessions", authorization=f"Bearer {given}")
    except Unauthorized:
        assert given not in (ALICE, BOB)
    assert len(pairs) == 2
    assert {len(part) for pair in pairs for part in pair} == {32}


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/assets/app.js"])
def test_a_few_paths_are_open_to_strangers(guarded: Access, path: str) -> None:
    assert admit(guarded, path) is None
    assert admit(guarded, path, authorization="Bearer wrong") is None
    assert admit(guarded, path, authorization=f"Bearer {ALICE}") == Reach("alice")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/assets", "/health/", "/nowhere", "//", "/healthy", ""])
def test_all_others_are_not(guarded: Access, path: str) -> None:
    assert "needs an API key" in refusal(guarded, path)


def url_of(access: Access) -> tuple[str, str]:
    path, _, query = access.stream_url(Reach("alice"), TURN, "").partition("?")
    return path, query


def test_a_token_opens_its_stream_in_the_name_of_its_key(guarded: Access) -> None:
    path, query = url_of(guarded)
    assert admit(guarded, path, query=query) == Reach("alice")
    assert admit(guarded, path, query=f"{query}&last_event_id=2.1.7") == Reach("alice")


def test_without_keys_there_is_no_token() -> None:
    assert access().stream_url(EVERYTHING, TURN, "/hop") == "/hop/stream/s-1?turn=2"


def test_a_token_opens_nothing_else(guarded: Access) -> None:
    path, query = url_of(guarded)
    token = query.partition("token=")[2]
    for other in (f"turn=1&token={token}", f"token={token}", f"turn=02&token={token}", f"turn=2&turn=1&token={token}"):
        assert "another turn" in refusal(guarded, path, query=other)
    assert "another turn" in refusal(guarded, "/stream/s-2", query=query)
    assert "another turn" in refusal(guarded, "/stream/s-1.2", query=f"turn=&token={token}")
    for other_path, method in (("/sessions/s-1", "GET"), ("/stream/s-1", "DELETE"), ("/chat/s-1/cancel", "POST")):
        assert "needs an API key" in refusal(guarded, other_path, method=method, query=query)
    assert "not known" in refusal(guarded, path, query=query, authorization="Bearer wrong")


@pytest.mark.parametrize("forged", ["", "x", "..", "a.b.c", "eyJhIjoxfQ.AAAA", "\xff"])
def test_a_made_up_token_is_refused(guarded: Access, forged: str) -> None:
    assert "not one of ours" in refusal(guarded, "/stream/s-1", query=f"turn=2&token={forged}")


def test_a_changed_token_is_refused(guarded: Access) -> None:
    path, query = url_of(guarded)
    for place in (-1, -20, query.index("token=") + 8):
        changed = list(query)
        changed[place] = "A" if changed[place] != "A" else "B"
        if place == -1:
            del changed[place]  # the last character's lowest bits mean nothing in base64
        assert "not one of ours" in refusal(guarded, path, query="".join(changed))


def test_a_token_ends_with_its_time_and_with_its_key(guarded: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    path, query = url_of(guarded)
    assert admit(access(api_keys=f"new:{BOB},alice:{ALICE}"), path, query=query) == Reach("alice")
    for others in (f"bob:{BOB}", f"alice:{BOB}"):
        assert "not one of ours" in refusal(access(api_keys=others), path, query=query)

    now = time()
    monkeypatch.setattr("core.key_signer.time", lambda: now - 5)  # another machine's clock is behind
    assert admit(guarded, path, query=query) == Reach("alice")
    monkeypatch.setattr("core.key_signer.time", lambda: now + 61)
    assert "expired" in refusal(guarded, path, query=query)
