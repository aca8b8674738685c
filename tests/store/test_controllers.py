"""Controllers: one holder at a time, by the database's clock, and an epoch that tells the earlier ones apart."""

import asyncio

import pytest
import sqlalchemy as sa

from core.model.errors import NotFound
from core.store.database.base import Database
from core.store.narrator.controllers import GRACE_SECONDS, KEPT_SECONDS, TTL_SECONDS, ControllerHeld, LeaseLost
from core.store.narrator.records import ControllerLease
from core.store.reach import Reach
from core.store.schema import controllers, db_now
from core.store.store import Store

pytestmark = pytest.mark.anyio

NAME = "controller"


async def taken(store: Store, *, holder: str = "api-1/a") -> ControllerLease:
    """By a connection."""
    return (await store.controllers.take(NAME, holder=holder)).lease


async def pass_time(database: Database, seconds: float) -> None:
    ago = {name: controllers.c[name] - seconds for name in ("renewed_at", "expires_at")}
    await database.change(sa.update(controllers).values(ago))


async def test_a_lease_lasts_for_its_time(store: Store, database: Database) -> None:
    lease, is_new = await store.controllers.take(NAME)
    assert (is_new, lease.epoch, lease.is_alive, lease.agent_id, lease.holder) == (True, 1, True, None, None)
    assert lease.expires_at - lease.renewed_at == pytest.approx(TTL_SECONDS, abs=0.1)
    assert lease.age_seconds == pytest.approx(0, abs=0.1)
    live = await store.controllers.live(NAME)
    assert live is not None
    assert live.lease_id == lease.lease_id
    await pass_time(database, TTL_SECONDS)
    assert await store.controllers.live(NAME) is None
    expired = await store.controllers.get(NAME)
    assert not expired.is_alive
    assert expired.age_seconds == pytest.approx(TTL_SECONDS, abs=5)


async def test_another_one_waits_until_it_has_expired(store: Store, database: Database) -> None:
    first = (await store.controllers.take(NAME, ttl_seconds=60)).lease
    with pytest.raises(ControllerHeld) as held:
        await store.controllers.take(NAME)
    assert held.value.retry_after is not None
    assert 50 < held.value.retry_after <= 60
    await pass_time(database, 60)
    second = await store.controllers.take(NAME, agent_id="planner")
    assert (second.is_new, second.lease.epoch, second.lease.agent_id) == (True, 2, "planner")
    assert second.lease.lease_id != first.lease_id


async def test_its_holder_renews_it_and_keeps_what_it_does_not_name(store: Store, database: Database) -> None:
    lease = (await store.controllers.take(NAME, agent_id="planner", ttl_seconds=60)).lease
    await pass_time(database, 50)
    renewed, is_new = await store.controllers.take(NAME, lease_id=lease.lease_id)
    assert not is_new
    assert (renewed.lease_id, renewed.epoch) == (lease.lease_id, 1)
    assert (renewed.agent_id, renewed.ttl_seconds) == ("planner", 60)
    assert renewed.expires_at - renewed.renewed_at == pytest.approx(60, abs=0.1)
    changed = (await store.controllers.take(NAME, lease_id=lease.lease_id, agent_id="other", ttl_seconds=5)).lease
    assert (changed.agent_id, changed.ttl_seconds) == ("other", 5)
    assert changed.expires_at - changed.renewed_at == pytest.approx(5, abs=0.1)


async def test_one_that_nobody_else_took_is_renewed_late(store: Store, database: Database) -> None:
    lease = await taken(store)
    await pass_time(database, 10 * TTL_SECONDS)
    late = await store.controllers.take(NAME, lease_id=lease.lease_id)
    assert (late.is_new, late.lease.epoch, late.lease.is_alive) == (False, 1, True)


async def test_a_takeover_ends_the_lease_before(store: Store) -> None:
    first = await taken(store)
    second = await store.controllers.take(NAME, takeover=True)
    assert (second.is_new, second.lease.epoch, second.lease.holder) == (True, 2, None)
    with pytest.raises(LeaseLost):
        await store.controllers.take(NAME, lease_id=first.lease_id)
    with pytest.raises(LeaseLost):
        await store.controllers.keep(first)
    await store.controllers.let_go(first)  # changes nothing
    assert await store.controllers.live(NAME) is not None
    again = await store.controllers.take(NAME, lease_id=first.lease_id, takeover=True)
    assert (again.is_new, again.lease.epoch) == (True, 3)


async def test_of_many_that_take_it_at_once_one_has_it(store: Store, url: str) -> None:
    other = Store(url)
    await other.open()
    for round_ in range(5):
        name = f"c{round_}"
        tried = await asyncio.gather(
            *(each.controllers.take(name) for each in (store, other) * 4), return_exceptions=True
        )
        assert sum(isinstance(each, ControllerHeld) for each in tried) == 7, tried
        taken_over = await asyncio.gather(*(each.controllers.take(name, takeover=True) for each in (store, other) * 4))
        assert sorted(each.lease.epoch for each in taken_over) == [2, 3, 4, 5, 6, 7, 8, 9]
    await other.close()


async def test_a_connection_keeps_what_it_holds(store: Store, database: Database) -> None:
    lease = await taken(store)
    await pass_time(database, TTL_SECONDS - 1)
    kept = await store.controllers.keep(lease)
    assert kept.is_alive
    assert kept.expires_at - kept.renewed_at == pytest.approx(TTL_SECONDS, abs=0.1)


async def test_a_connection_that_comes_back_takes_the_place_of_the_earlier_one(store: Store) -> None:
    first = await taken(store)
    second = (await store.controllers.take(NAME, lease_id=first.lease_id, holder="api-2/a")).lease
    assert (second.lease_id, second.epoch, second.holder) == (first.lease_id, 1, "api-2/a")
    with pytest.raises(LeaseLost):
        await store.controllers.keep(first)
    await store.controllers.let_go(first)  # which is seen to have ended late
    assert (await store.controllers.get(NAME)).holder == "api-2/a"
    assert (await store.controllers.keep(second)).ttl_seconds == TTL_SECONDS


async def test_a_connection_that_is_gone_has_a_while_to_come_back(store: Store, database: Database) -> None:
    lease = await taken(store)
    before = await database.rows(sa.select(db_now()))
    await store.controllers.let_go(lease)
    after = await database.rows(sa.select(db_now()))
    left = await store.controllers.get(NAME)
    assert (left.holder, left.is_alive) == (None, True)
    assert before[0][0] - 0.01 <= left.expires_at - GRACE_SECONDS <= after[0][0] + 0.01
    await pass_time(database, GRACE_SECONDS)
    assert await store.controllers.live(NAME) is None
    assert (await store.controllers.take(NAME)).lease.epoch == 2


async def test_one_that_is_about_to_expire_does_not_last_longer_for_that(store: Store, database: Database) -> None:
    lease = await taken(store)
    await pass_time(database, TTL_SECONDS - GRACE_SECONDS / 2)
    await store.controllers.let_go(lease)
    left = await store.controllers.get(NAME)
    assert left.expires_at - left.renewed_at == pytest.approx(TTL_SECONDS, abs=0.1)


async def test_it_is_given_back_by_its_holder_or_whoever_has_the_key(store: Store) -> None:
    lease = (await store.controllers.take(NAME)).lease
    with pytest.raises(LeaseLost):
        await store.controllers.free(NAME, "another")
    assert await store.controllers.live(NAME) is not None
    await store.controllers.free(NAME, lease.lease_id)
    for asking in (store.controllers.get(NAME), store.controllers.free(NAME), store.controllers.free(NAME, "x")):
        with pytest.raises(NotFound, match=NAME):
            await asking
    assert await store.controllers.live(NAME) is None
    assert await store.controllers.all() == []
    with pytest.raises(LeaseLost):
        await store.controllers.take(NAME, lease_id=lease.lease_id)
    assert (await store.controllers.take(NAME)).lease.epoch == 2  # what the first holder says is still refused
    await store.controllers.free(NAME)
    assert await store.controllers.live(NAME) is None


async def test_keys_have_controllers_of_their_own(store: Store) -> None:
    alice, bob = (store.within(Reach(name)).controllers for name in ("alice", "bob"))
    leases = [(await each.take(NAME)).lease for each in (alice, bob, store.controllers)]
    assert [lease.epoch for lease in leases] == [1, 1, 1]
    assert [lease.lease_id for lease in await alice.all()] == [leases[0].lease_id]
    with pytest.raises(LeaseLost):
        await bob.take(NAME, lease_id=leases[0].lease_id)
    await bob.free(NAME)
    assert (await alice.live(NAME)) is not None
    assert (await store.controllers.live(NAME)) is not None


async def test_they_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a", "c"):
        await store.controllers.take(name)
    assert [lease.name for lease in await store.controllers.all()] == ["a", "b", "c"]


async def test_one_without_a_lease_for_long_is_forgotten(store: Store, database: Database) -> None:
    await store.controllers.take("old")
    await pass_time(database, TTL_SECONDS + KEPT_SECONDS)
    await store.controllers.take("new")
    assert [lease.name for lease in await store.controllers.all()] == ["new"]
