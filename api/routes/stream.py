"""GET /stream/{session_id}."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api.access.policy import policy
from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.streams.response import StreamResponse
from api.wires.base import WireContext
from api.wires.catalogue import choose_wire
from api.wires.seed import SeedWire
from core.model.keys import SESSION_ID_PATTERN

router = APIRouter(tags=["chat"])

EXAMPLE = (
    'retry: 1000\n\nid: 1.1.0\ndata: {"type":"start","turn":1,"attempt":1,"model":"gpt-4o-mini"}\n\n'
    'id: 1.1.7\ndata: {"chunk":"Bonjour"}\n\nid: 1.1.8\ndata: {"type":"done","finish_reason":"stop","usage":null}\n\n'
)


_NAMES_OF_POLYFILLS = ("lastEventId", "Last-Event-ID", "evs_last_event_id")
"""By which EventSource's polyfills resume: the event-source-polyfill, and others."""


@router.get(
    "/stream/{session_id}",
    response_class=Response,
    responses={
        200: {"description": "Server-Sent Events", "content": {"text/event-stream": {"example": EXAMPLE}}},
        204: {"description": "Everything was seen: `Last-Event-ID` is that of the terminal event"},
        **responses(400, 404, 406, 409, 422, 429, 503),
    },
)
@policy(is_stream=True, takes_stream_token=True)
async def stream(
    request: Request,
    session_id: Annotated[str, Path(pattern=SESSION_ID_PATTERN)],
    caller: CurrentCaller,
    turn: Annotated[int | None, Query(ge=1, le=1_000_000_000, description="Default: the latest.")] = None,
    last_event_id: Annotated[str | None, Query(description="Resume after this id, as by the header.")] = None,
    token: Annotated[str | None, Query(description="A `stream_url`'s: stands for the API key, for a while.")] = None,
    last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """The events of a turn, from the start or after `Last-Event-ID`, whether it waits, runs or is finished."""
    chat = caller.chat
    wire = choose_wire(request.headers.getlist("accept"), SeedWire) or SeedWire
    resume_after = last_event_id_header or last_event_id or _last_event_id_of_polyfill(request)
    found, cursor = await chat.find(session_id, turn, resume_after)
    if cursor is not None and cursor.is_end_of(found):
        return Response(status_code=204)
    return StreamResponse(chat.watch(found), cursor, wire(WireContext.of(found)))


def _last_event_id_of_polyfill(request: Request) -> str | None:
    return next(filter(None, map(request.query_params.get, _NAMES_OF_POLYFILLS)), None)
