"""Tickets: signed by a key, for one path and a short time."""

import re
from time import time

import pytest

from api.access.stream_tokens import StreamTokens
from api.access.tickets import OPEN_TICKET, TICKET_SECONDS, Tickets, offered_ticket
from core.model.errors import Unauthorized
from core.model.keys import TurnKey

KEYS = {"alice": "alice-0123456789", "bob": "bob-9876543210-longer"}
PATH = "/ws/stream/s-1"


@pytest.fixture
def tickets() -> Tickets:
    return Tickets(KEYS)


def test_a_ticket_stands_for_its_key_on_any_process(tickets: Tickets) -> None:
    read = Tickets(KEYS).read(tickets.issue("bob", PATH), PATH)
    assert read.key_name == "bob"


def test_no_two_are_the_same(tickets: Tickets) -> None:
    ids = {tickets.read(tickets.issue("alice", PATH), PATH).ticket_id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(ticket_id) <= 32 for ticket_id in ids)  # what the store has room for


def test_it_can_be_a_subprotocol(tickets: Tickets) -> None:
    """RFC 6455, 4.1: a token of RFC 9110, 5.6.2."""
    assert re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", tickets.issue("alice", f"/ws/stream/{'x' * 128}"))


@pytest.mark.parametrize("path", ["/ws/stream/s-2", "/ws/stream/s-1/", "/ws/stream", "", "/"])
def test_it_opens_no_other_path(tickets: Tickets, path: str) -> None:
    with pytest.raises(Unauthorized, match="another path"):
        tickets.read(tickets.issue("alice", PATH), path)


@pytest.mark.parametrize("forged", ["", "x", "..", "a.b.c", "eyJhIjoxfQ.AAAA", OPEN_TICKET])
def test_a_made_up_one_is_refused(tickets: Tickets, forged: str) -> None:
    with pytest.raises(Unauthorized, match="not one of ours"):
        tickets.read(forged, PATH)


def test_a_changed_one_is_refused(tickets: Tickets) -> None:
    ticket = tickets.issue("alice", PATH)
    for place in (0, 8, len(ticket) - 20):
        changed = ticket[:place] + ("A" if ticket[place] != "A" else "B") + ticket[place + 1 :]
        with pytest.raises(Unauthorized, match="not one of ours"):
            tickets.read(changed, PATH)


def test_it_ends_with_its_time_and_with_its_key(tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = tickets.issue("alice", PATH)
    with pytest.raises(Unauthorized, match="not one of ours"):
        Tickets({"bob": KEYS["bob"]}).read(ticket, PATH)
    now = time()
    monkeypatch.setattr("core.key_signer.time", lambda: now + TICKET_SECONDS + 1)
    with pytest.raises(Unauthorized, match="expired"):
        tickets.read(ticket, PATH)


def test_a_stream_token_is_no_ticket(tickets: Tickets) -> None:
    with pytest.raises(Unauthorized, match="not one of ours"):
        tickets.read(StreamTokens(KEYS, 900).sign("alice", TurnKey("s-1", 1)), PATH)


def test_without_keys_there_is_nothing_to_sign_with_and_any_ticket_does() -> None:
    assert Tickets({}).issue(None, PATH) == OPEN_TICKET


def test_it_is_found_among_the_subprotocols() -> None:
    assert offered_ticket({"subprotocols": ["hopstream.v1", "hopstream.ticket.a.b"]}) == "a.b"
    assert offered_ticket({"subprotocols": ["hopstream.v1"]}) is None
    assert offered_ticket({}) is None
