"""The API: `uvicorn api.app:app --port 8007`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.access.access import Access
from api.access.admission import AdmissionMiddleware
from api.access.origins import Origins
from api.access.policy import RoutePolicies
from api.access.stream_limits import StreamLimits
from api.http.access_log import keep_queries_out_of_logs
from api.http.addresses import AddressMiddleware
from api.http.handlers import BugMiddleware, install_handlers
from api.http.openapi import document_access
from api.http.requests import BodyLimitMiddleware, RequestIdMiddleware
from api.http.sizes import most_body_bytes
from api.narrator.fake_relay import relay_of
from api.narrator.relay import Relay
from api.routes import agents, chat, events, health, models, narrator, sessions, sockets, stream, tools, turns
from api.routes.pages import add_pages
from api.services import Services
from core.http.security_headers import SecurityHeadersMiddleware
from core.http.stopping import BeforeSignal
from core.settings import Settings, get_settings
from core.store.database.from_url import check_url
from core.store.errors import StoreUnusable
from core.telemetry.logs import configure_logs
from core.version import VERSION

log = structlog.get_logger()

BODY_SECONDS = 30.0
"""For a request's body; whoever needs longer has stopped sending."""

EXPOSED_HEADERS = ["X-Request-ID", "X-Session-ID", "Location", "ETag", "Retry-After", "RateLimit", "RateLimit-Policy"]
"""To pages of other origins."""

DESCRIPTION = (
    "LLM answers streamed through RabbitMQ: a reload, a deploy or a crash loses no token and shows none twice."
)


def create_app(settings: Settings | None = None, relay: Relay | None = None) -> FastAPI:
    """`relay`: answers what is posted to narrators in place of all controllers, for tests. Raises SystemExit where the
    settings do not let it serve."""
    settings = settings or get_settings()
    try:
        check_url(settings.database_url)
    except StoreUnusable as error:
        raise SystemExit(error.message) from None
    access = Access(settings)
    app = FastAPI(
        title="Hopstream",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own would wake up wherever something sets an OpenTelemetry provider. It puts the token of a stream's
        # URL into spans, and takes a viewer who leaves for an error.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    app.state.access = access
    app.state.relay = relay or relay_of(settings)
    install_handlers(app)
    add_pages(app, settings)
    for routes in (chat, stream, sockets, events, agents, sessions, turns, narrator, models, tools, health):
        app.include_router(routes.router)
    policies = app.state.policies = RoutePolicies(app.routes)
    document_access(app, policies)
    limits = StreamLimits(settings.max_streams_per_client, settings.max_streams)
    app.add_middleware(BodyLimitMiddleware, limit=most_body_bytes(settings), seconds=BODY_SECONDS)
    # Behind CORS: a preflight has no key.
    app.add_middleware(AdmissionMiddleware, policies=policies, access=access, origins=Origins(settings), limits=limits)
    app.add_middleware(BugMiddleware)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(SecurityHeadersMiddleware, settings=settings)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(AddressMiddleware, root_path=settings.root_path)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    services = app.state.services = Services(settings, app.state.access, app.state.relay)
    services.start()
    if app.state.access.is_open:
        log.warning("no API_KEYS: everybody who reaches this port may use it", action="api.open")
    if services.catalogue.find(services.catalogue.default_model).provider == "demo":
        log.warning("no provider is set up, as by OPENAI_API_KEY: the demo provider answers", action="api.demo")
    with BeforeSignal(services.closing):
        yield
    await services.stop()


def _serve() -> FastAPI:
    """For uvicorn, which sets up its own logs before it imports this module, and writes its first line afterwards."""
    settings = get_settings()
    configure_logs(settings, "api")
    keep_queries_out_of_logs()
    return create_app(settings)


app = _serve()
