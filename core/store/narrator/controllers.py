"""Controllers: each is whoever holds its lease. Its epoch is a fencing token: what an earlier holder says is refused.

A lease lasts by the database's clock alone. One that has expired can still be renewed until another one is taken: its
holder may have been frozen, and nobody has missed it.
"""

import secrets
from typing import Any

import sqlalchemy as sa

from core.model.errors import HopstreamError, NotFound
from core.store.database.base import Database
from core.store.narrator.records import ControllerLease, Taken
from core.store.reach import EVERYTHING, Reach
from core.store.schema import controllers, db_now

TTL_SECONDS = 30.0
"""Of a lease that names none."""
GRACE_SECONDS = 5.0
"""In which a connection that was lost comes back."""
KEPT_SECONDS = 86_400.0
"""After its last lease a controller's epoch is no longer of interest: nobody answers what was asked a day ago."""


class ControllerHeld(HopstreamError):
    code = "controller_held"
    status = 409
    title = "Another one holds the controller's lease"


class LeaseLost(HopstreamError):
    code = "lease_lost"
    status = 409
    title = "The controller's lease is another one's now"


_IS_CONTROLLER = (controllers.c.key_name == sa.bindparam("of_key")) & (controllers.c.name == sa.bindparam("of_name"))
_IS_LEASED = controllers.c.lease_id.is_not(None)
_IS_OWN = _IS_CONTROLLER & (controllers.c.lease_id == sa.bindparam("own_lease"))
_IS_ALIVE = _IS_LEASED & (controllers.c.expires_at > db_now())
_TOLD: tuple[Any, ...] = (
    *(each for each in controllers.c if each.name != "key_name"),
    (db_now() - controllers.c.renewed_at).label("age_seconds"),
    _IS_ALIVE.label("is_alive"),
)
_SELECT = sa.select(*_TOLD).where(_IS_LEASED)
_ALL = _SELECT.where(controllers.c.key_name == sa.bindparam("of_key")).order_by(controllers.c.name)
_ONE = _SELECT.where(_IS_CONTROLLER)
_LIVE = _ONE.where(_IS_ALIVE)
_SECONDS_LEFT = sa.select(controllers.c.expires_at - db_now()).where(_IS_CONTROLLER)
_FORGET = sa.delete(controllers).where(controllers.c.expires_at < db_now() - KEPT_SECONDS)
_HOLD = sa.update(controllers).where(_IS_OWN).values(epoch=controllers.c.epoch).returning(controllers.c.epoch)
_IS_HELD = _IS_OWN & (controllers.c.holder == sa.bindparam("own_holder"))
_KEEP = (
    sa.update(controllers)
    .where(_IS_HELD)
    .values(renewed_at=db_now(), expires_at=db_now() + controllers.c.ttl_seconds)
    .returning(*_TOLD)
)
_new_ttl = sa.func.coalesce(sa.bindparam("new_ttl", type_=sa.Double), controllers.c.ttl_seconds)
_RENEW = (
    sa.update(controllers)
    .where(_IS_OWN)
    .values(
        agent_id=sa.func.coalesce(sa.bindparam("new_agent", type_=sa.String), controllers.c.agent_id),
        holder=sa.func.coalesce(sa.bindparam("new_holder", type_=sa.String), controllers.c.holder),
        ttl_seconds=_new_ttl,
        renewed_at=db_now(),
        expires_at=db_now() + _new_ttl,
    )
    .returning(*_TOLD)
)
_ends = db_now() + GRACE_SECONDS
_LET_GO = (
    sa.update(controllers)
    .where(_IS_HELD)
    .values(holder=None, expires_at=sa.case((controllers.c.expires_at < _ends, controllers.c.expires_at), else_=_ends))
)
_free = sa.update(controllers).values(lease_id=None, agent_id=None, holder=None, expires_at=db_now())
_FREE = _free.where(_IS_CONTROLLER, _IS_LEASED)
_FREE_OWN = _free.where(_IS_OWN)


class Controllers:
    """Those of one key, or of everybody while the API has none: another key's of the same name is another one."""

    def __init__(self, database: Database, reach: Reach = EVERYTHING) -> None:
        self._database = database
        self._key_name = reach.key_name or ""

    async def take(
        self,
        name: str,
        *,
        lease_id: str | None = None,
        agent_id: str | None = None,
        holder: str | None = None,
        ttl_seconds: float | None = None,
        takeover: bool = False,
    ) -> Taken:
        """A new lease, unless somebody else's lives (`takeover`: even then); or the caller's own, `lease_id`, renewed,
        which keeps what is not given. Raises ControllerHeld, LeaseLost."""
        renewal = {
            **self._own(name, lease_id),
            "new_agent": agent_id,
            "new_holder": holder,
            "new_ttl": ttl_seconds,
        }
        new = {
            "key_name": self._key_name,
            "name": name,
            "agent_id": agent_id,
            "lease_id": secrets.token_urlsafe(18),
            "holder": holder,
            "new_ttl": ttl_seconds or TTL_SECONDS,
        }

        def take(connection: sa.Connection) -> Taken:
            connection.execute(_FORGET)
            if lease_id is not None:
                renewed = connection.execute(_RENEW, renewal).one_or_none()
                if renewed is not None:
                    return Taken(_lease(renewed), is_new=False)
                if not takeover:
                    raise _lost(name)
            taken = connection.execute(self._lease_anew(takeover=takeover), new).one_or_none()
            if taken is not None:
                return Taken(_lease(taken), is_new=True)
            seconds: float = connection.execute(_SECONDS_LEFT, self._of(name)).scalar_one()
            raise ControllerHeld(f"the controller {name!r} is held by another one", retry_after=max(seconds, 0))

        return await self._database.run(take)

    async def keep(self, lease: ControllerLease) -> ControllerLease:
        """Renew it for the connection that holds it. Raises LeaseLost."""
        row = await self._database.row(_KEEP, **self._own(lease.name, lease.lease_id), own_holder=lease.holder)
        if row is None:
            raise _lost(lease.name)
        return _lease(row)

    async def let_go(self, lease: ControllerLease) -> None:
        """The connection that holds it has ended: it expires soon, unless it is renewed."""
        await self._database.change(_LET_GO, **self._own(lease.name, lease.lease_id), own_holder=lease.holder)

    async def free(self, name: str, lease_id: str | None = None) -> None:
        """End the lease; with `lease_id` only that one. Raises NotFound, LeaseLost."""
        if lease_id is None:
            freed = await self._database.change(_FREE, **self._of(name))
        else:
            freed = await self._database.change(_FREE_OWN, **self._own(name, lease_id))
        if not freed:
            await self.get(name)
            raise _lost(name)

    async def get(self, name: str) -> ControllerLease:
        """Its last lease, unless that was given back. Raises NotFound."""
        row = await self._database.row(_ONE, **self._of(name))
        if row is None:
            raise NotFound(f"nobody has taken the controller {name!r}")
        return _lease(row)

    async def live(self, name: str) -> ControllerLease | None:
        """Its lease, if that has not expired."""
        row = await self._database.row(_LIVE, **self._of(name))
        return None if row is None else _lease(row)

    async def all(self) -> list[ControllerLease]:
        """The last lease of each, by name; those that were given back are left out."""
        return [_lease(row) for row in await self._database.rows(_ALL, of_key=self._key_name)]

    def hold(self, connection: sa.Connection, lease: ControllerLease) -> int:
        """Its epoch, for which nobody takes another lease before the transaction ends. Raises LeaseLost."""
        epoch: int | None = connection.execute(_HOLD, self._own(lease.name, lease.lease_id)).scalar_one_or_none()
        if epoch is None:
            raise _lost(lease.name)
        return epoch

    def _lease_anew(self, *, takeover: bool) -> Any:
        insert = self._database.insert(controllers)
        ttl = sa.bindparam("new_ttl", type_=sa.Double)
        insert = insert.values(epoch=1, ttl_seconds=ttl, renewed_at=db_now(), expires_at=db_now() + ttl)
        kept = ("agent_id", "lease_id", "holder", "ttl_seconds", "renewed_at", "expires_at")
        return insert.on_conflict_do_update(
            index_elements=["key_name", "name"],
            set_={**{each: insert.excluded[each] for each in kept}, "epoch": controllers.c.epoch + 1},
            where=sa.true() if takeover else sa.not_(_IS_ALIVE),
        ).returning(*_TOLD)

    def _of(self, name: str) -> dict[str, Any]:
        return {"of_key": self._key_name, "of_name": name}

    def _own(self, name: str, lease_id: str | None) -> dict[str, Any]:
        return {**self._of(name), "own_lease": lease_id}


def _lease(row: sa.Row[Any]) -> ControllerLease:
    values = dict(row._mapping)
    return ControllerLease(**{**values, "is_alive": bool(values["is_alive"])})


def _lost(name: str) -> LeaseLost:
    return LeaseLost(f"the lease of the controller {name!r} is no longer this one")
