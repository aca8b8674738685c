"""POST /narrator/messages and GET /narrator/feed; GET /controllers, and GET, PUT and DELETE /controllers/{name}."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from api.access.policy import policy
from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.inputs.agent_frames import LeaseId
from api.inputs.narrator import FeedQuery, LeaseRequest, NarratorPost
from api.narrator_views import ControllerList, ControllerView, LeaseView, NarratedView, NarratorFeed
from core.agents.agent import AGENT_ID_PATTERN

router = APIRouter(tags=["narrator"])

ControllerPath = Annotated[str, Path(pattern=AGENT_ID_PATTERN, description="a to z, 0 to 9, - and _, at most 64.")]


@router.post("/narrator/messages", status_code=202, responses=responses(404, 408, 409, 413, 422, 429, 502, 503, 504))
@policy(is_stream=True, costs=True)
async def post_message(asked: NarratorPost, caller: CurrentCaller) -> NarratedView:
    """Post to the narrator of a conversation. It is relayed to the controller, and the answer comes with what that has
    said to it, within 45 s; all WebSockets of the conversation are told as well. Without a controller nothing is
    stored, and `no_controller` says so."""
    return NarratedView.of(await caller.narrator.post(asked))


@router.get("/narrator/feed", responses=responses(422, 503))
async def read_feed(asked: Annotated[FeedQuery, Query()], caller: CurrentCaller) -> NarratorFeed:
    """What was posted to a conversation's narrator and what it has said, oldest first. Of a conversation that is
    another key's, as of one that is not there, it is empty."""
    told = await caller.narrator.feed(asked.conversation_id, asked.workspace_id, asked.after, asked.limit)
    return NarratorFeed.of(*told, asked.after)


@router.get("/controllers", responses=responses(503))
async def list_controllers(caller: CurrentCaller) -> ControllerList:
    """Those of the caller's API key, by name, with the age of their leases."""
    leases = await caller.store.controllers.all()
    return ControllerList(controllers=[ControllerView.of(lease) for lease in leases])


@router.get("/controllers/{name}", responses=responses(404, 422, 503))
async def show_controller(name: ControllerPath, caller: CurrentCaller) -> ControllerView:
    """Its last lease, unless that was given back."""
    return ControllerView.of(await caller.store.controllers.get(name))


@router.put(
    "/controllers/{name}",
    response_model=LeaseView,
    responses={
        200: {"description": "It was renewed"},
        201: {"description": "A new lease", "model": LeaseView},
        **responses(404, 408, 409, 413, 422, 503),
    },
)
async def take_controller(
    name: ControllerPath,
    asked: LeaseRequest,
    caller: CurrentCaller,
    takeover: Annotated[bool, Query(description="Even if another one holds it, whose lease ends by that.")] = False,
) -> Response:
    """Become a controller, or stay one: with `agentId` that agent answers for as long as the lease lasts. Who answers
    by itself opens `/ws/chat`, and sends the frame `register` there."""
    if asked.agent_id is not None:
        await caller.agent(asked.agent_id)
    lease, is_new = await caller.store.controllers.take(
        name,
        lease_id=asked.lease_id,
        agent_id=asked.agent_id,
        ttl_seconds=asked.ttl_seconds,
        takeover=takeover,
    )
    return JSONResponse(LeaseView.of(lease).model_dump(mode="json"), 201 if is_new else 200)


@router.delete("/controllers/{name}", status_code=204, responses=responses(404, 409, 422, 503))
async def free_controller(
    name: ControllerPath,
    caller: CurrentCaller,
    lease_id: Annotated[LeaseId | None, Query(alias="leaseId", description="Only if it is this one.")] = None,
) -> Response:
    """Give the lease back: another one may take it at once."""
    await caller.store.controllers.free(name, lease_id)
    return Response(status_code=204)
