"""PostgreSQL as its operators run it: read-only for a while, failing over to a standby, behind a pooler."""

import asyncio
from pathlib import Path

import pytest

from core.model.errors import NotStorable, StoreDown
from core.model.events import Done, Usage
from core.model.keys import TurnKey
from core.model.tape import Tape
from core.store.store import Store
from core.store.turns.filters import TurnFilter
from core.store.turns.pages import MESSAGE_BYTES, MESSAGE_CHARS
from core.store.turns.records import Labels, NewTurn
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.pgbouncer import PgBouncer
from tests.postgres import Postgres, find_binaries

pytestmark = pytest.mark.anyio

MESSAGE = "Zażółć 🫖"


async def ask(store: Store, session_id: str) -> None:
    new = NewTurn(session_id=session_id, mode="queue", model="m", message=MESSAGE, options={})
    await store.turns.create(new)


async def until_it_answers(store: Store, session_id: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await ask(store, session_id)
            except StoreDown:
                await asyncio.sleep(0.02)


def make_read_only(postgres: Postgres, url: str, word: str) -> None:
    """As a managed server does while it fails over; connections that there are do not hear of it."""
    name = url.rsplit("/", 1)[1]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {word}")


async def test_a_read_only_server_is_down_until_it_is_not(postgres: Postgres) -> None:
    url = postgres.new_database()
    store = Store(url)
    await store.open()
    await ask(store, "before")
    make_read_only(postgres, url, "on")
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.rsplit('/', 1)[1]}'"
    )
    for session_id in ("a", "b"):
        with pytest.raises(StoreDown):
            await ask(store, session_id)
    make_read_only(postgres, url, "off")
    await until_it_answers(store, "after")
    await store.close()


async def test_a_process_that_starts_meanwhile_waits(postgres: Postgres) -> None:
    url = postgres.new_database()
    make_read_only(postgres, url, "on")
    store = Store(url)
    with pytest.raises(StoreDown):
        await store.open()
    make_read_only(postgres, url, "off")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await store.open()
                break
            except StoreDown:
                await asyncio.sleep(0.02)
    await ask(store, "s")
    await store.close()


async def test_a_standby_takes_over() -> None:
    """Of a server of this test's own."""
    binaries = find_binaries()
    require(binaries, "no PostgreSQL; install the package postgresql")
    with Postgres(binaries or Path()) as primary:
        url = primary.new_database()
        with primary.standby() as standby:
            name = url.rsplit("/", 1)[1]
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            store = Store(f"postgresql://test@{hosts}/{name}?target_session_attrs=read-write")
            await store.open()
            await ask(store, "before")
            await asyncio.to_thread(primary.stop)
            with pytest.raises(StoreDown):
                await ask(store, "meanwhile")
            await asyncio.to_thread(standby.promote)
            await until_it_answers(store, "after")
            await store.close()


async def test_a_server_without_an_encoding_has_room_for_all(postgres: Postgres) -> None:
    store = Store(postgres.new_database("SQL_ASCII"))
    await store.open()
    await ask(store, "s")
    assert (await store.turns.get(TurnKey("s", 1))).message == MESSAGE
    for cut in range(4):  # in front of a character, or within it
        labels = Labels(f"goal {cut}", metadata={"é": "👩‍🚀", "n": str(cut)})
        message = "x" * (MESSAGE_BYTES - 8 + cut) + "🚀" * 9
        new = NewTurn(session_id=f"t{cut}", mode="queue", model="m", message=message, options={}, labels=labels)
        await store.turns.create(new)
        (listed,) = (await store.turns.page(9, TurnFilter(metadata=(("é", "👩‍🚀"), ("n", str(cut)))))).turns
        assert (listed.session_id, listed.message) == (f"t{cut}", message[:MESSAGE_CHARS])
    await store.close()


async def test_a_pooler_in_transaction_mode(postgres: Postgres) -> None:
    """More often than the driver waits before it prepares a statement."""
    with PgBouncer(postgres) as pooler:
        stores = [Store(pooler.url(url)) for url in [postgres.new_database()] * 4]
        for store in stores:
            await store.open()
        for round_number in range(15):
            await asyncio.gather(*(ask(store, f"s{round_number}-{n}") for n, store in enumerate(stores)))
            await asyncio.gather(*(store.processes.beat(f"p{n}", "worker") for n, store in enumerate(stores)))
            assert [await store.processes.count_alive("worker") for store in stores] == [4] * 4
        for store in stores:
            await store.close()


async def test_a_value_that_is_refused_has_an_error_of_its_own(store: Store) -> None:
    new = NewTurn(session_id="s", mode="direct", model="m", message="hi", options={}, owner="p")
    turn = (await store.turns.create(new)).turn
    for usage in (Usage(2**63, 0), Usage(-(2**63) - 1, 0)):
        with pytest.raises(NotStorable):
            await store.ownership.finish(turn.key, "p", Tape(), Done(1, 0, "stop", usage))
    half = NewTurn(session_id="half", mode="queue", model="m", message="\ud83d", options={})
    with pytest.raises(NotStorable):
        await store.turns.create(half)
    assert await store.ownership.finish(turn.key, "p", Tape(), Done(1, 0, "stop"))
