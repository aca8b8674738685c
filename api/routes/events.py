"""GET /events and the WebSocket /ws/events: the streams of all turns that the caller may see, as they are written."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response, WebSocket

from api.access.policy import policy
from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.watching import Watching
from api.streams.socket import accept
from api.watchers.framing import SocketFraming, SseFraming
from api.watchers.progress import Progress, Resumption
from api.watchers.response import WatchResponse
from api.watchers.socket import watch_over_socket

router = APIRouter(tags=["events"])

EXAMPLE = (
    "event: llm.stream.chunk\nid: 1764400000000~Q2hhcGVs1.7~\n"
    'data: {"requestId":"demo-1.1","goalId":"trip","chunk":"Bonjour","index":0,"timestamp":1764400000123,'
    '"attempt":1,"position":0,"id":"1.1.7","tokens":1}\n\n'
)


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {"description": "Server-Sent Events", "content": {"text/event-stream": {"example": EXAMPLE}}},
        **responses(400, 422, 429, 503),
    },
)
@policy(is_stream=True)
async def watch(
    asked: Annotated[Watching, Query()],
    caller: CurrentCaller,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """The streams of a goal, or of whatever is asked for, live: `llm.stream.*` events, see docs/events.md. Turns that
    run already begin with what they have said so far; `Last-Event-ID` goes on where a connection broke off."""
    resume_after = last_event_id or asked.last_event_id
    resumption = Resumption.parse(resume_after) if resume_after else None
    framing = SseFraming(resumption)
    return WatchResponse(framing, lambda sink: caller.watcher(asked, framing, sink, resumption))


@router.websocket("/ws/events")
@policy(is_stream=True, takes_ticket=True)
async def watch_by_socket(websocket: WebSocket, asked: Annotated[Watching, Query()], caller: CurrentCaller) -> None:
    """The same as messages, and the client may subscribe to more. With `resumable` each event has an `id`."""
    resumption = Resumption.parse(asked.last_event_id) if asked.last_event_id else None
    framing = SocketFraming(Progress(resumption) if asked.resumable or resumption else None)
    await accept(websocket)
    await watch_over_socket(websocket, lambda sink: caller.watcher(asked, framing, sink, resumption))
