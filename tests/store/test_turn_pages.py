"""Pages of turns: newest first, each once, whatever happens between two of them."""

import asyncio
from base64 import urlsafe_b64encode
from typing import Any

import pytest
import sqlalchemy as sa

from core.model.events import Done, Failed, Usage
from core.model.parts import Reasoning, Text
from core.model.tape import BadTape, Tape
from core.store.database.base import Database
from core.store.schema import turns
from core.store.store import Store
from core.store.turns.filters import ANY_TURN, TurnFilter
from core.store.turns.pages import MESSAGE_CHARS, NEWEST, Bookmark
from core.store.turns.records import Labels
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio

W = "worker-1"


def encode(bookmark: str) -> str:
    return urlsafe_b64encode(bookmark.encode()).decode()


async def read_all(store: Store, limit: int, wanted: TurnFilter = ANY_TURN) -> list[list[str]]:
    """The sessions of each page."""
    pages, before = [], NEWEST
    while True:
        page = await store.turns.page(limit, wanted, before=before)
        pages.append([turn.session_id for turn in page.turns])
        if page.next is None:
            return pages
        before = Bookmark.decode(page.next.encode())


async def set_times(database: Database, created_at: float) -> None:
    await database.change(sa.update(turns).values(created_at=created_at))


async def test_pages_are_newest_first_and_end(store: Store, make: Maker) -> None:
    assert await read_all(store, 3) == [[]]
    for session in "abcdef":
        await make.queued(session)
    assert await read_all(store, 3) == [["f", "e", "d"], ["c", "b", "a"]]
    assert await read_all(store, 4) == [["f", "e", "d", "c"], ["b", "a"]]
    assert await read_all(store, 6) == [[*"fedcba"]]


async def test_the_pages_of_a_filter(store: Store, make: Maker) -> None:
    for number in range(10):
        await make.queued(f"s{number}", labels=Labels("odd" if number % 2 else None))
    assert await read_all(store, 2, TurnFilter(goal_id="odd")) == [["s9", "s7"], ["s5", "s3"], ["s1"]]


async def test_turns_of_one_moment_have_an_order_too(store: Store, make: Maker, database: Database) -> None:
    for _ in range(3):
        for session in "dbfgaec":
            await make.queued(session)
            await store.turns.request_cancel(session)
    await set_times(database, 1_764_000_000.123456)
    for limit in (1, 2, 4, 20):
        read = [session for page in await read_all(store, limit) for session in page]
        assert read == [session for session in "gfedcba" for _ in range(3)]
    first = (await store.turns.page(3)).turns
    assert [turn.turn for turn in first] == [3, 2, 1]


async def test_turns_that_come_and_go_between_two_pages(store: Store, make: Maker) -> None:
    """Each that was there all the time is read once; a new one is in front of all."""
    for number in range(12):
        await make.queued(f"s{number}")
    read: list[str] = []
    before: Bookmark | None = NEWEST
    while before is not None:
        page = await store.turns.page(3, before=before)
        read += [turn.session_id for turn in page.turns]
        before = page.next
        await asyncio.gather(*(make.queued(f"new-{len(read)}-{number}") for number in range(3)))
        await store.sessions.delete(read[-1])  # the one that the bookmark names
    assert read == [f"s{number}" for number in reversed(range(12))]


async def test_what_is_listed_of_a_turn(store: Store, make: Maker) -> None:
    labels = Labels("g", "w", "r", {"team": "é"})
    turn = await make.running(W, message="  What\n\tis " + "x" * 1000, labels=labels, model="ask/me")
    (listed,) = (await store.turns.page(9)).turns
    assert (listed.message, listed.labels, listed.text) == ("What is " + "x" * 192, labels, "")
    assert len(listed.message) == MESSAGE_CHARS
    assert (listed.key, listed.status, listed.attempt, listed.model) == (turn.key, "running", 1, "ask/me")
    assert (listed.created_at, listed.started_at, listed.claimed_at, listed.finished_at) == (
        turn.created_at,
        turn.started_at,
        turn.claimed_at,
        None,
    )
    usage = Usage(3, 4, 1)
    end = Done(1, 9, "length", usage, provider="openai")
    assert await store.ownership.finish(turn.key, W, Tape([Text("an answer")]), end, cost=0.5)
    (listed,) = (await store.turns.page(9)).turns
    assert (listed.finish_reason, listed.usage, listed.provider, listed.cost) == (
        "length",
        Usage(3, 4, 1),
        "openai",
        0.5,
    )
    assert listed.finished_at is not None


async def test_a_turn_that_failed(store: Store, make: Maker) -> None:
    turn = await make.running(W)
    await store.ownership.finish(turn.key, W, Tape(), Failed(1, 0, "provider_error", "no"))
    (listed,) = (await store.turns.page(9, text_chars=9)).turns
    assert (listed.status, listed.error_code, listed.error_message, listed.text) == (
        "error",
        "provider_error",
        "no",
        "",
    )


async def test_the_end_of_an_answer(store: Store, make: Maker) -> None:
    said: list[Any] = [Reasoning("hm"), Text("A 👩‍🚀 "), Reasoning("hm"), Text("went up.")]
    for number in range(50):  # more than are read at once
        turn = await make.running(W, f"s{number}")
        await store.ownership.finish(turn.key, W, Tape([*said, Text(str(number))]), Done(1, 1, "stop"))
    await make.queued("waits")
    for chars, text in ((1, ""), (9, "went up."), (4000, "A 👩‍🚀 went up.")):
        listed = (await store.turns.page(100, text_chars=chars)).turns
        assert [turn.text for turn in listed] == ["", *(f"{text}{number}"[-chars:] for number in reversed(range(50)))]


async def test_an_answer_is_not_read_where_it_is_not_asked_for(store: Store, make: Maker, database: Database) -> None:
    turn = await make.running(W)
    await store.ownership.finish(turn.key, W, Tape([Text("yes")]), Done(1, 3, "stop"))
    await database.change(sa.update(turns).values(tape=b"no tape"))
    assert [listed.text for listed in (await store.turns.page(9)).turns] == [""]
    with pytest.raises(BadTape):
        await store.turns.page(9, text_chars=1)


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", *(encode(each) for each in ("null", "[]", '[1,"s"]', '[1,"s",0]', '[1,"a b",1]', '["a","s",1]'))],
)
def test_what_is_no_bookmark(text: str) -> None:
    with pytest.raises(ValueError, match="is no bookmark"):
        Bookmark.decode(text)
