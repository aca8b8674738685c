"""The log dashboard: `uvicorn logs.app:app --port 8000`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from core.http.security_headers import SecurityHeadersMiddleware
from core.http.stopping import BeforeSignal
from core.settings import Settings, get_settings
from core.telemetry.logs import configure_logs
from core.version import VERSION
from logs.access import LogAccess, require_access
from logs.problems import install_handlers
from logs.routes import history, state, stream
from logs.services import Services

log = structlog.get_logger()

WEB = Path(__file__).parent.parent / "web"
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


def create_app(settings: Settings) -> FastAPI:
    """Raises SystemExit where the settings do not let it serve."""
    app = FastAPI(
        title="Hopstream logs", version=VERSION, lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.settings = settings
    app.state.access = LogAccess(settings)
    app.state.slots = asyncio.Semaphore(stream.MOST_STREAMS)
    install_handlers(app)
    app.include_router(state.open_router)
    for routes in (stream, history, state):
        app.include_router(routes.router, dependencies=[Depends(require_access)])
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/assets", StaticFiles(directory=WEB / "assets"), name="assets")
    app.add_middleware(SecurityHeadersMiddleware, settings=settings)
    return app


async def _page() -> FileResponse:
    return FileResponse(WEB / "logs.html", headers=PAGE_HEADERS)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services = app.state.services = Services(app.state.settings)
    services.start()
    if app.state.access.is_open:
        log.warning("no LOG_KEYS: everybody who reaches this port sees the logs", action="logs.open")
    with BeforeSignal(services.closing.set):
        yield
    await services.stop()


def _serve() -> FastAPI:
    settings = get_settings()
    configure_logs(settings, "logs")
    logging.getLogger("uvicorn.access").disabled = True  # a query may have a token in it
    return create_app(settings)


app = _serve()
