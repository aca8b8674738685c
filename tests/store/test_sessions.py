"""Sessions: listed, shown, deleted."""

import pytest

from core.model.errors import NotFound
from core.store.store import Store
from tests.store.conftest import Maker

pytestmark = pytest.mark.anyio


async def test_they_are_listed_newest_first(store: Store, make: Maker) -> None:
    for session_id in ("a", "b", "c"):
        await make.queued(session_id, message=f"  about {session_id}\n and  more ")
    await store.turns.request_cancel("a")
    await make.queued("a")
    recent = await store.sessions.recent(2)
    assert [session.session_id for session in recent] == ["a", "c"]
    assert (recent[0].last_turn, recent[0].status, recent[0].title) == (2, "queued", "about a and more")
    assert recent[0].updated_at >= recent[0].created_at


async def test_a_title_is_the_beginning_of_the_first_message(store: Store, make: Maker) -> None:
    await make.queued("s", message="🙂" * 1000)
    assert (await store.sessions.get("s")).title == "🙂" * 80


async def test_deleting_one_takes_its_turns_and_no_other(store: Store, make: Maker) -> None:
    gone, kept = await make.queued("gone"), await make.queued("kept")
    await store.sessions.delete("gone")
    with pytest.raises(NotFound):
        await store.turns.get(gone.key)
    assert await store.turns.get(kept.key) == kept


async def test_an_unknown_one_is_named(store: Store) -> None:
    for asking in (store.sessions.get("nope"), store.sessions.delete("nope"), store.turns.latest("nope")):
        with pytest.raises(NotFound, match="nope"):
            await asking
