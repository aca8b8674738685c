"""How routes get at the services of their process, and at what their caller may see of them.

One dependency for each: FastAPI takes longer to solve them than most take to answer.
"""

from typing import Annotated

from fastapi import Depends, Request

from api.caller import Caller
from api.services import Services
from core.model.errors import Unauthorized
from core.store.reach import Reach

# All of them are coroutines: FastAPI would run a plain function in a thread.


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ProcessServices = Annotated[Services, Depends(_services)]


async def _is_known(request: Request) -> bool:
    return request.state.reach is not None


IsKnown = Annotated[bool, Depends(_is_known)]
"""False for a stranger, who gets this far on open paths only."""


async def _caller(request: Request) -> Caller:
    reach: Reach | None = request.state.reach
    if reach is None:
        raise Unauthorized("this needs an API key")
    return Caller(request.app.state.services, reach)


CurrentCaller = Annotated[Caller, Depends(_caller)]
