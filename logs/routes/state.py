"""`GET /health`, `GET /metrics`, `POST /token`."""

from time import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from core.model.errors import Unauthorized
from core.telemetry.log_stream.record import timestamp
from core.version import VERSION
from logs.access import TOKEN_SECONDS, LogAccess
from logs.services import Services

open_router = APIRouter()
router = APIRouter()


@open_router.get("/health")
async def health(request: Request, response: Response) -> dict[str, Any]:
    """503 where Redis does not answer."""
    services: Services = request.app.state.services
    if not services.state.is_up:
        response.status_code = 503
    return {
        "status": "ok" if services.state.is_up else "degraded",
        "version": VERSION,
        "redis": services.state.word,
        "archive": services.archive_state if services.archive_state in ("ok", "none") else "failing",
        "archived": str(services.archiver.place) if services.archiver and services.archiver.place else None,
        "leads": services.leadership.leads,
        "hears": services.others.is_hearing,
    }


@open_router.post("/token")
async def token(request: Request, authorization: Annotated[str | None, Header()] = None) -> dict[str, Any]:
    """For `?token=` of a stream, where a client can send no header."""
    access: LogAccess = request.app.state.access
    if access.is_open:
        raise Unauthorized("there are no LOG_KEYS: no token is needed")
    signed = access.token_of(access.check_key(authorization))
    return {"token": signed, "expires": timestamp(time() + TOKEN_SECONDS)}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    services: Services = request.app.state.services
    state = services.state
    figures = {
        "hopstream_logs_redis_up": ("gauge", "Whether Redis answers.", int(state.is_up)),
        "hopstream_logs_redis_memory_bytes": ("gauge", "Memory that Redis uses.", state.memory_bytes),
        "hopstream_logs_stream_lines": ("gauge", "Lines in Redis.", state.lines),
        "hopstream_logs_read_lines_total": ("counter", "Lines that this gateway has read.", services.tail.end),
        "hopstream_logs_lost_lines_total": ("counter", "Lines known to be lost.", services.losses.lost_lines),
        "hopstream_logs_leads": ("gauge", "Whether this gateway leads.", int(services.leadership.leads)),
        "hopstream_logs_archive_ok": ("gauge", "Whether lines are archived.", int(services.archive_state == "ok")),
    }
    text = "".join(
        f"# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}\n" for name, (kind, what, value) in figures.items()
    )
    return Response(text, media_type="text/plain; version=0.0.4")
