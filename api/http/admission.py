"""Admission: holds every request to the policy of its route: who comes, how many streams they have open, and how often
they ask for what costs money. It stands in front of all routes, so that none can forget to ask."""

from contextlib import ExitStack

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.access import Access
from api.http.asgi import with_head
from api.http.policy import RoutePolicies
from api.http.problems import problem_of
from api.http.stream_limits import StreamLimits
from core.model.errors import HopstreamError, Unauthorized
from core.store.reach import Reach

log = structlog.get_logger()


class AdmissionMiddleware:
    """What the caller reaches is left in the request's state: None for a stranger, who gets to open paths alone."""

    def __init__(self, app: ASGIApp, policies: RoutePolicies, access: Access, limits: StreamLimits) -> None:
        self._app = app
        self._policies = policies
        self._access = access
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        found = self._policies.find(scope)
        with ExitStack() as held:
            try:
                reach = connection.state.reach = self._access.admit(connection, found)
                if found.policy.is_stream:
                    held.enter_context(self._limits.hold(connection.client))
                if found.policy.costs:
                    send = await _spend(connection, reach, send)
            except HopstreamError as error:
                if isinstance(error, Unauthorized):
                    log.info("refused", action="access.refused", path=scope["path"], reason=error.message)
                await problem_of(connection, error)(scope, receive, send)
                return
            with structlog.contextvars.bound_contextvars(key_name=reach and reach.key_name):
                await self._app(scope, receive, send)


async def _spend(connection: HTTPConnection, reach: Reach | None, send: Send) -> Send:
    """Count it; its answer tells where the key stands. Raises RateLimited."""
    if reach is None or reach.key_name is None:
        return send
    told: dict[str, str] = await connection.app.state.services.rate_limit.spend(reach.key_name)

    def tell(headers: MutableHeaders) -> None:
        for name, value in told.items():
            headers.append(name, value)

    return with_head(send, tell)
