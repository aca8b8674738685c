"""POST /chat and POST /chat/{session_id}/cancel."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from api.access.policy import policy
from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.chat import ChatRequest
from api.routes.stream import EXAMPLE
from api.streams.response import StreamResponse
from api.streams.whole import WholeResponse
from api.turn_views import WholeAnswer
from api.views import CancelAccepted, ChatAccepted
from api.wires.base import WireContext
from api.wires.catalogue import choose_wire
from api.wires.seed import SeedWire
from api.wires.text import TextWire
from core.model.keys import SESSION_ID_PATTERN

router = APIRouter(tags=["chat"])

_STREAMS = {"text/event-stream": {"example": EXAMPLE}, "text/plain": {"schema": {"type": "string"}}}


@router.post(
    "/chat",
    status_code=202,
    response_model=ChatAccepted,
    responses={
        200: {"description": "The answer itself, token by token; or whole", "content": _STREAMS, "model": WholeAnswer},
        **responses(400, 404, 406, 408, 409, 413, 422, 429, 500, 502, 503, 504),
    },
)
@policy(is_stream=True, costs=True)
async def ask(request: ChatRequest, caller: CurrentCaller, http: Request) -> Response:
    """Ask. Queue mode answers 202 with the stream's URL, or streams if `Accept` says so; direct mode streams. With
    `"stream": false` either answers once the turn is finished."""
    chat = caller.chat
    usual = SeedWire if request.stream else TextWire if request.mode == "direct" else None
    chosen = choose_wire(http.headers.getlist("accept"), usual)
    created = await chat.ask(request)
    turn = created.turn
    headers = {"X-Session-ID": turn.session_id}
    if request.stream is False:
        is_direct = turn.mode == "direct"
        watching = chat.answer_directly(turn, may_restart=True) if is_direct else chat.watch(turn)

        async def conclude() -> Response:
            answer = WholeAnswer.of(await chat.answered(turn.key))
            return JSONResponse(answer.model_dump(mode="json"), 200, headers)

        return WholeResponse(watching, conclude, headers)
    wire = None if chosen is None else chosen(WireContext.of(turn))
    if wire is not None and turn.mode == "direct":
        return StreamResponse(chat.answer_directly(turn, may_restart=wire.shows_restarts), None, wire, headers)
    headers["Location"] = caller.location(turn)
    if wire is not None:
        return StreamResponse(chat.watch(turn), None, wire, headers)
    answer = ChatAccepted(
        session_id=turn.session_id,
        turn=turn.turn,
        position=created.position,
        stream_url=caller.stream_url(turn),
    )
    return JSONResponse(answer.model_dump(), 202, headers)


@router.post("/chat/{session_id}/cancel", status_code=202, responses=responses(404, 422, 503))
async def cancel(
    session_id: Annotated[str, Path(pattern=SESSION_ID_PATTERN)],
    caller: CurrentCaller,
    turn: Annotated[int | None, Query(ge=1, le=1_000_000_000, description="Default: all unfinished.")] = None,
) -> CancelAccepted:
    """Stop the session's turn, queued or running, and those that wait behind it; or one of them. Harmless where none
    runs."""
    cancelled = await caller.chat.cancel(session_id, turn)
    return CancelAccepted(session_id=session_id, turn=cancelled.turn, status=cancelled.status)
