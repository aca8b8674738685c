"""How routes get at the services of their process, and at what their caller may see of them.

As few of them as can be: FastAPI takes longer to solve dependencies than most routes take to answer.
"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.caller import Caller
from api.http.request_context import context_of
from api.services import Services
from core.model.errors import Unauthorized
from core.store.reach import Reach

# All of them are coroutines: FastAPI would run a plain function in a thread.


async def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


ProcessServices = Annotated[Services, Depends(_services)]


async def _is_known(connection: HTTPConnection) -> bool:
    return connection.state.reach is not None


IsKnown = Annotated[bool, Depends(_is_known)]
"""False for a stranger, who gets this far on open paths only."""


async def _caller(connection: HTTPConnection) -> Caller:
    reach: Reach | None = connection.state.reach
    if reach is None:
        raise Unauthorized("this needs an API key")
    return Caller(connection.app.state.services, reach, context_of(connection), connection.scope.get("root_path", ""))


CurrentCaller = Annotated[Caller, Depends(_caller)]
