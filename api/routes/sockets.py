"""POST /ws/ticket and the WebSockets /ws/chat and /ws/stream/{session_id}."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, WebSocket

from api.access.policy import policy
from api.access.refusals import close
from api.access.tickets import PROTOCOL, TICKET_PROTOCOL, TICKET_SECONDS
from api.conversations.connection import Connection
from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.ticket import TicketRequest
from api.streams.socket import accept, stream_to_socket
from api.views import TicketIssued
from api.wires.base import WireContext
from api.wires.stream_socket import StreamSocketWire
from core.model.errors import NotFound
from core.model.keys import SESSION_ID_PATTERN

router = APIRouter(tags=["sockets"])


@router.post("/ws/ticket", responses=responses(404, 408, 413, 422))
async def issue_ticket(
    asked: TicketRequest, request: Request, response: Response, caller: CurrentCaller
) -> TicketIssued:
    """A ticket opens one WebSocket, once and soon, for a page that cannot send its API key there: offer `protocols`."""
    found = request.app.state.policies.find({"type": "websocket", "path": asked.path})
    if not found.policy.takes_ticket:
        raise NotFound(f"there is no WebSocket at {asked.path}")
    ticket = caller.ticket(asked.path)
    response.headers["Cache-Control"] = "no-store"
    return TicketIssued(ticket=ticket, seconds=TICKET_SECONDS, protocols=[PROTOCOL, f"{TICKET_PROTOCOL}{ticket}"])


@router.websocket("/ws/chat")
@policy(is_stream=True, takes_ticket=True)
async def converse(websocket: WebSocket, caller: CurrentCaller) -> None:
    """A conversation with an agent: as many turns as its client likes, with their tools; see docs/agents.md."""
    await accept(websocket)
    await Connection(websocket, caller).run()


@router.websocket("/ws/stream/{session_id}")
@policy(is_stream=True, takes_ticket=True)
async def stream(
    websocket: WebSocket,
    session_id: Annotated[str, Path(pattern=SESSION_ID_PATTERN)],
    caller: CurrentCaller,
    turn: Annotated[int | None, Query(ge=1, le=1_000_000_000)] = None,
    last_event_id: str | None = None,
) -> None:
    """The events of a turn, from the start or after `last_event_id`, whether it waits, runs or is finished."""
    found, cursor = await caller.chat.find(session_id, turn, last_event_id)
    await accept(websocket)
    if cursor is not None and cursor.is_end_of(found):
        await close(websocket, None)
        return
    wire = StreamSocketWire(WireContext.of(found))
    await stream_to_socket(websocket, caller.chat.watch(found), cursor, wire)
