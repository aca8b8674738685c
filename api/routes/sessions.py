"""GET /sessions, GET and DELETE /sessions/{session_id}."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.turns import ListQuery
from api.views import SessionList, SessionSummary, SessionView
from core.model.keys import SESSION_ID_PATTERN

router = APIRouter(tags=["sessions"])

SessionIdPath = Annotated[str, Path(pattern=SESSION_ID_PATTERN)]


@router.get("/sessions", responses=responses(422, 503))
async def list_sessions(caller: CurrentCaller, query: Annotated[ListQuery, Query()]) -> SessionList:
    """Newest first; with filters, those that have a turn which fits all of them."""
    sessions = await caller.store.sessions.recent(query.limit, query.wanted())
    return SessionList(sessions=[SessionSummary.of(session) for session in sessions])


@router.get("/sessions/{session_id}", responses=responses(404, 422, 503))
async def show_session(session_id: SessionIdPath, caller: CurrentCaller) -> SessionView:
    """The conversation and its turns."""
    session = await caller.store.sessions.get(session_id)
    return SessionView.of(session, await caller.store.turns.of_session(session_id))


@router.delete("/sessions/{session_id}", status_code=204, responses=responses(404, 422, 503))
async def delete_session(session_id: SessionIdPath, caller: CurrentCaller) -> Response:
    """Delete a session and its turns; one that still runs is stopped first. Another session of this name goes on with
    the numbers of turns for a day."""
    await caller.chat.delete(session_id)
    return Response(status_code=204)
