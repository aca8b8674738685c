"""`GET /stream`: the lines as they come."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from logs.live.event_stream import EventStream
from logs.live.filters import Asked
from logs.live.viewer import Viewer
from logs.problems import BadQuery, TooManyStreams
from logs.services import Services
from logs.stream.line import LineId

router = APIRouter()

MOST_STREAMS = 1000


@router.get("/stream")
async def stream(
    request: Request,
    matcher: Asked,
    last_event_id: Annotated[str | None, Header()] = None,
    last_id: Annotated[str | None, Query(alias="last_event_id")] = None,
    rate: Annotated[int | None, Query(ge=1, le=100_000)] = None,
) -> EventStream:
    """`Last-Event-ID` goes on after that line, at any gateway; without one, `since` begins in the past, and otherwise
    only what comes from now on is told. `rate`: lines a second at most; what is skipped is told."""
    services: Services = request.app.state.services
    place = line_id_of("Last-Event-ID", last_event_id or last_id)
    if place is None and matcher.asked.since:
        place = await services.history.begin(matcher)
    slots: asyncio.Semaphore = request.app.state.slots
    if slots.locked():
        raise TooManyStreams(f"there are {MOST_STREAMS} open streams at this gateway")
    await slots.acquire()
    viewer = Viewer(services.tail, services.source, services.bulletins, matcher, last_id=place, rate=rate)
    return EventStream(viewer.frames(), slots, services.closing)


def line_id_of(name: str, text: str | None) -> LineId | None:
    """Raises BadQuery."""
    try:
        return LineId.parse(text) if text else None
    except ValueError as error:
        raise BadQuery(f"{name}: {error}") from None
