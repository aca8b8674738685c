"""The API: `uvicorn api.app:app --port 8007`."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import structlog
from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from api.limits import StreamLimitMiddleware
from api.middleware import BodyLimitMiddleware, RequestIdMiddleware
from api.problems import install_handlers
from api.routes import chat, health, sessions, stream
from api.services import Services
from api.version import VERSION
from core.garbage import spare_what_is_loaded
from core.logs import configure_logs
from core.settings import Settings, get_settings

log = structlog.get_logger()

WEB = Path(__file__).parent.parent / "web"
BYTES_PER_CHARACTER = 12
"""A character takes up to 12 bytes in JSON, as two \\u escapes."""
OTHER_FIELDS_BYTES = 65_536

DESCRIPTION = (
    "LLM answers streamed through RabbitMQ: a reload, a deploy or a crash loses no token and shows none twice."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or get_settings()
    app = FastAPI(title="Hopstream", version=VERSION, description=DESCRIPTION, lifespan=_lifespan)
    app.state.settings = settings
    install_handlers(app)
    for routes in (chat, stream, sessions, health):
        app.include_router(routes.router)
    app.mount("/assets", StaticFiles(directory=WEB / "assets", check_dir=False), name="assets")
    app.add_api_route("/", _page, include_in_schema=False)
    app.add_middleware(BodyLimitMiddleware, limit=settings.max_message_chars * BYTES_PER_CHARACTER + OTHER_FIELDS_BYTES)
    app.add_middleware(StreamLimitMiddleware, per_client=settings.max_streams_per_client, in_all=settings.max_streams)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "X-Session-ID", "Location", "Retry-After"],
    )
    app.add_middleware(RequestIdMiddleware)
    return app


async def _page() -> FileResponse:
    return FileResponse(WEB / "chat.html", headers={"Cache-Control": "no-cache"})


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    configure_logs(settings)
    services = app.state.services = Services(settings)
    services.start()
    if settings.provider == "demo":
        log.warning("no OPENAI_API_KEY: the demo provider answers", action="api.demo")
    spare_what_is_loaded()
    with _BeforeSignal(services.closing):
        yield
    await services.stop()


class _BeforeSignal:
    """Calls back when SIGTERM or SIGINT comes, before the server's own handler: the server waits for open streams, and
    only then tells the app that it stops."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._callback)
        before = self._before[signal.Signals(number)]
        if callable(before):
            before(number, frame)


app = create_app()
