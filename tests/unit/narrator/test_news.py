"""News of narrators: whoever wants to know of a conversation is told, and without a broker by the next look."""

import pytest

from api.narrator.desk import NarratorDesk
from core.store.store import Store
from tests.unit.fake_connection import FakeConnection
from tests.unit.narrator.conftest import post, until

pytestmark = pytest.mark.anyio


class Told:
    times = 0

    def __call__(self) -> None:
        self.times += 1


async def test_what_is_stored_here_is_told_here_and_to_other_processes(
    desk: NarratorDesk, connection: FakeConnection
) -> None:
    here, elsewhere, everywhere = Told(), Told(), Told()
    follow = desk.news.follow
    with follow("a", here), follow("b", elsewhere), follow(None, everywhere):
        desk.news.tell("a")
    assert (here.times, elsewhere.times, everywhere.times) == (1, 0, 1)
    assert connection.fake.sent.qsize() == 1
    desk.news.tell("a")
    assert here.times == 1  # it no longer wants to know


async def test_without_a_broker_a_look_finds_it_once(desk: NarratorDesk, store: Store) -> None:
    told, other = Told(), Told()
    with desk.news.follow("a", told), desk.news.follow("b", other):
        await post(store, "a")
        await until(lambda: told.times)
        await post(store, "b")
        await until(lambda: other.times)
        assert told.times == 1
        await post(store, "a")
        await until(lambda: told.times == 2)
    assert other.times == 1
