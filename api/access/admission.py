"""Admission: holds every request to the policy of its route: who comes, how many streams they have open, and how often
they ask for what costs money. It stands in front of all routes, so that none can forget to ask; what costs is counted
by the endpoint's own `@policy`, because only there is it known to be valid."""

from contextlib import ExitStack

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.access import Access
from api.access.origins import OriginRefused, Origins
from api.access.policy import NOTHING, Found, RoutePolicies, route_path, spend
from api.access.refusals import refusal_of
from api.access.stream_limits import StreamLimits
from api.access.tickets import offered_ticket
from core.http.asgi import with_head
from core.model.errors import HopstreamError, NotFound, Unauthorized
from core.store.reach import Reach

log = structlog.get_logger()


class AdmissionMiddleware:
    """What the caller reaches is left in the request's state: None for a stranger, who gets to open paths alone."""

    def __init__(
        self, app: ASGIApp, policies: RoutePolicies, access: Access, origins: Origins, limits: StreamLimits
    ) -> None:
        self._app = app
        self._policies = policies
        self._access = access
        self._origins = origins
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        found = self._policies.find(scope)
        with ExitStack() as held:
            try:
                if scope["type"] == "http":
                    reach = self._access.admit(connection, found)
                else:
                    reach = await self._admit_socket(connection, found)
                connection.state.reach = reach
                if found.policy.is_stream:
                    held.enter_context(self._limits.hold(connection.client))
            except HopstreamError as error:
                if isinstance(error, Unauthorized | OriginRefused):
                    log.info("refused", action="access.refused", path=scope["path"], reason=error.message)
                await refusal_of(connection, error)(scope, receive, send)
                return
            if found.policy.costs:
                send = _count(connection, reach, send)
            with structlog.contextvars.bound_contextvars(key_name=reach and reach.key_name):
                await self._app(scope, receive, send)

    async def _admit_socket(self, connection: HTTPConnection, found: Found) -> Reach | None:
        """Raises OriginRefused, Unauthorized, NotFound, StoreDown."""
        self._origins.check(connection)
        reach = await self._by_ticket(connection, found) or self._access.admit(connection, found)
        if found is NOTHING:
            raise NotFound(f"there is no WebSocket at {connection.scope['path']}")
        return reach

    async def _by_ticket(self, connection: HTTPConnection, found: Found) -> Reach | None:
        """None if there is no ticket, or none is looked at. Raises Unauthorized, StoreDown."""
        offered = offered_ticket(connection.scope)
        if offered is None or not found.policy.takes_ticket or self._access.is_open:
            return None
        if "authorization" in connection.headers:
            return None
        key_name, ticket_id = self._access.tickets.read(offered, route_path(connection.scope))
        if not await connection.app.state.services.store.spent_tickets.spend(ticket_id):
            raise Unauthorized("the ticket was used before; each opens one WebSocket")
        return Reach(key_name)


def _count(connection: HTTPConnection, reach: Reach | None, send: Send) -> Send:
    """Have the endpoint count the request; the answer tells where the key stands."""
    told: dict[str, str] = {}

    async def count() -> None:
        if reach is not None and reach.key_name is not None:
            told.update(await connection.app.state.services.rate_limit.spend(reach.key_name))

    def tell(headers: MutableHeaders) -> None:
        for name, value in told.items():
            headers.append(name, value)

    spend.set(count)
    return with_head(send, tell)
