"""GET /health, which is /healthz too, /ready and /test."""

import asyncio
from contextlib import aclosing, suppress
from time import perf_counter
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.access.policy import policy
from api.dependencies import IsKnown, ProcessServices
from api.http.problems import responses
from api.services import Services
from api.views import Health, ProviderTest, Readiness
from core.model.errors import ProviderError, StoreDown
from core.model.model_states import ModelStates, merged
from core.model.tape import Tape
from core.providers.base import Finish, Message, Request
from core.version import VERSION

router = APIRouter(tags=["operation"])

STORE_SECONDS = 2.0
"""A probe must answer even while the database hangs."""
TEST_PROMPT = "Reply with one short sentence, to show that you work."
TEST_TOKENS = 50


@router.get("/healthz", response_model_exclude_none=True, responses={503: {"model": Health}})
@router.get("/health", response_model_exclude_none=True, responses={503: {"model": Health}})
@policy(is_open=True)
async def health(services: ProcessServices, is_known: IsKnown, response: Response) -> Health:
    """Liveness: 200 while the process serves, 503 if it is stuck. The rest of the answer says what it can reach; to
    whom has no key where one is needed, no more than `/ready` does."""
    workers = await _count_workers(services)
    stuck = services.feeds.dead
    response.status_code = 503 if stuck else 200
    told = Health(status="stuck" if stuck else "ok", broker=_word(services.broker_up), store=_word(workers is not None))
    if is_known:
        told.version = VERSION
        default = services.catalogue.find(services.catalogue.default_model)
        told.provider, told.model = default.provider, default.name
        told.workers = workers or 0
        states = await _model_states(services)
        told.circuits, told.engines = dict(states.circuits), dict(states.engines) or None
    return told


@router.get("/ready", responses={503: {"model": Readiness}})
@policy(is_open=True)
async def ready(services: ProcessServices) -> JSONResponse:
    """Readiness: 503 while broker or store is down, or the store cannot be written to."""
    store_up = await _count_workers(services) is not None and services.owner.keeper.lease.valid
    is_ready = services.broker_up and store_up
    readiness = Readiness(
        status="ready" if is_ready else "unavailable", broker=_word(services.broker_up), store=_word(store_up)
    )
    return JSONResponse(readiness.model_dump(), 200 if is_ready else 503)


@router.get("/test", responses=responses(429, 502))
@policy(costs=True)
async def test(services: ProcessServices) -> ProviderTest:
    """Call the provider once."""
    route = services.catalogue.route(services.catalogue.default_model)
    request = Request(route.model.service_model, [Message("user", TEST_PROMPT)], {"max_tokens": TEST_TOKENS})
    tape = Tape()
    seconds = services.settings.provider_first_timeout + services.settings.provider_timeout
    begin = perf_counter()
    try:
        async with asyncio.timeout(seconds), aclosing(route.provider.stream(request)) as stream:
            async for item in stream:
                if not isinstance(item, Finish):
                    tape.extend(item)
    except TimeoutError as error:
        raise ProviderError("the model's service did not answer in time") from error
    return ProviderTest(model=route.model.name, latency_ms=round((perf_counter() - begin) * 1000, 1), reply=tape.text())


async def _model_states(services: Services) -> ModelStates:
    """This process's own at least."""
    own = services.catalogue.states()
    with suppress(StoreDown, TimeoutError):
        async with asyncio.timeout(STORE_SECONDS):
            return merged([await services.store.processes.model_states(), own])
    return own


async def _count_workers(services: Services) -> int | None:
    """None: the store is down."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await services.store.processes.count_alive("worker")
    except (StoreDown, TimeoutError):
        return None


def _word(up: bool) -> Literal["up", "down"]:
    return "up" if up else "down"
