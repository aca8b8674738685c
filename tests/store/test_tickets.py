"""Tickets: each can be used once, by whichever process comes first."""

import asyncio

import pytest
import sqlalchemy as sa

from core.store.database.base import Database
from core.store.schema import spent_tickets
from core.store.store import Store
from core.store.tickets import KEPT_SECONDS

pytestmark = pytest.mark.anyio


async def test_a_ticket_is_used_once(store: Store) -> None:
    assert await store.spent_tickets.spend("a")
    assert not await store.spent_tickets.spend("a")
    assert await store.spent_tickets.spend("b")


async def test_of_several_processes_that_use_one_at_the_same_time_one_succeeds(store: Store, url: str) -> None:
    stores = [store, *(Store(url) for _ in range(3))]
    for another in stores[1:]:
        await another.open()
    for number in range(10):
        spent = await asyncio.gather(*(one.spent_tickets.spend(f"ticket-{number}") for one in stores * 2))
        assert sum(spent) == 1
    for another in stores[1:]:
        await another.close()


async def test_a_used_one_is_forgotten_when_it_is_long_invalid(store: Store, database: Database) -> None:
    for ticket_id in ("old", "new"):
        await store.spent_tickets.spend(ticket_id)
    is_old = spent_tickets.c.ticket_id == "old"
    aged = sa.update(spent_tickets).where(is_old).values(spent_at=spent_tickets.c.spent_at - KEPT_SECONDS)
    await database.change(aged)
    await store.spent_tickets.spend("another")
    rows = await database.rows(sa.select(spent_tickets.c.ticket_id).order_by(spent_tickets.c.ticket_id))
    assert [row.ticket_id for row in rows] == ["another", "new"]
