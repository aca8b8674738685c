"""GET /turns."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.turns import TurnsQuery
from api.turn_views import TurnList

router = APIRouter(tags=["turns"])


@router.get("/turns", responses=responses(422, 503))
async def list_turns(caller: CurrentCaller, query: Annotated[TurnsQuery, Query()]) -> TurnList:
    """Turns of all sessions, newest first, whatever their state; of those that run, `GET /stream/{session_id}` has the
    text."""
    page = await caller.store.turns.page(
        query.limit, query.wanted(), before=query.bookmark, text_chars=query.text_chars
    )
    return TurnList.of(page)
