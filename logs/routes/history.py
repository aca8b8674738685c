"""`GET /history`, `/export`, `/totals`, `/services`: what was said before."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from time import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from core.telemetry.log_stream.record import timestamp
from logs.live.filters import Asked, Matcher
from logs.live.totals import totals_of
from logs.problems import BadQuery
from logs.routes.stream import line_id_of
from logs.services import Services
from logs.stream.line import StreamLine

router = APIRouter()

MOST_LINES = 5000
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "text": "text/plain; charset=utf-8"}


@router.get("/history")
async def history(
    request: Request,
    matcher: Asked,
    before: Annotated[str | None, Query(max_length=40)] = None,
    after: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 500,
) -> Response:
    """Newest last. Where `more` is true, ask again with `before` (or `after`, where that was asked) for what is beyond;
    a page may have less than it could, where a search takes long: it has looked as far as `scanned_to`."""
    services: Services = request.app.state.services
    place = line_id_of("after", after)
    if place is not None:
        page = await services.history.after(matcher, place, limit)
    else:
        page = await services.history.before(matcher, line_id_of("before", before), limit)
    told = {
        "more": page.next is not None,
        "after" if place is not None else "before": str(page.next) if page.next else None,
        "scanned_to": timestamp(page.next.ms / 1000) if page.next else None,
        "trouble": page.trouble or None,
    }
    lines = b",".join(line.json for line in page.lines)
    return Response(b'{"lines":[%s],%s' % (lines, msgspec.json.encode(told)[1:]), media_type="application/json")


@router.get("/export")
async def export(
    request: Request,
    matcher: Asked,
    format: Literal["jsonl", "text"] = "jsonl",  # noqa: A002
    zone: Annotated[str, Query(max_length=100)] = "UTC",
) -> StreamingResponse:
    """All lines that pass the filter, oldest first, up to a million. `zone`: of the times in a text (an IANA name)."""
    services: Services = request.app.state.services
    write = _as_json if format == "jsonl" else _as_text_in(_zone(zone))
    name = f"logs-{timestamp(time())[:19].replace(':', '-')}.{'jsonl' if format == 'jsonl' else 'log'}"
    return StreamingResponse(
        _exported(services, matcher, write),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get("/totals")
async def totals(request: Request, minutes: Annotated[int, Query(ge=1, le=24 * 60)] = 60) -> dict[str, Any]:
    """Of each model: turns, tokens, the median time to the first one, and the median speed."""
    services: Services = request.app.state.services
    return await totals_of(services.history, minutes)


@router.get("/services")
async def names(request: Request) -> dict[str, list[str]]:
    services: Services = request.app.state.services
    return {"services": sorted(services.names.services), "channels": sorted(services.names.channels)}


async def _exported(services: Services, matcher: Matcher, write: Callable[[StreamLine], bytes]) -> AsyncIterator[bytes]:
    async for lines in services.history.all(matcher, services.tail.last_id):
        yield b"".join(map(write, lines))


def _as_json(line: StreamLine) -> bytes:
    return line.json + b"\n"


def _as_text_in(zone: ZoneInfo) -> Callable[[StreamLine], bytes]:
    def write(line: StreamLine) -> bytes:
        record = line.record
        at = record.arrived or record.time
        with suppress(ValueError, OverflowError):  # else as it is
            at = datetime.fromisoformat(at).astimezone(zone).isoformat(timespec="milliseconds")
        return f"{at} {record.level or '-'} {record.service}: {record.message}\n".encode()

    return write


def _zone(name: str) -> ZoneInfo:
    """Raises BadQuery."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadQuery(f"zone: there is no time zone {name!r}") from None
