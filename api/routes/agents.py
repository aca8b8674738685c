"""GET /agents, and GET, PUT and DELETE /agents/{agent_id}."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from api.agent_views import AgentList, AgentView
from api.dependencies import CurrentCaller
from api.http.conditions import ANY, entity_tag, versions_of
from api.http.problems import responses
from api.inputs.agents import AgentInput
from core.agents.agent import AGENT_ID_PATTERN, Agent
from core.agents.errors import InvalidAgent

router = APIRouter(tags=["agents"])

AgentIdPath = Annotated[str, Path(pattern=AGENT_ID_PATTERN, description="a to z, 0 to 9, - and _, at most 64.")]
IfThereIsNone = Annotated[str | None, Header(alias="If-None-Match", pattern=r"^\*$", description="Only a new one.")]
_TAG = {"ETag": {"schema": {"type": "string"}, "description": "Strong; another one with each change."}}
_FAILURES = (403, 408, 409, 412, 413, 422, 503)


async def _if_match(
    request: Request,
    if_match: Annotated[str | None, Header(description="Only if it has one of these entity tags; `*`: any.")] = None,
) -> frozenset[str] | None:
    """The header is a parameter for the OpenAPI document's sake: it may come several times (RFC 9110, 5.3)."""
    return versions_of(request.headers.getlist("if-match"))


async def _if_none_match(
    request: Request,
    if_none_match: Annotated[str | None, Header(description="Not if it still has one of these entity tags.")] = None,
) -> frozenset[str]:
    return versions_of(request.headers.getlist("if-none-match"), weakly=True) or frozenset()


IfMatch = Annotated[frozenset[str] | None, Depends(_if_match)]
IfNoneMatch = Annotated[frozenset[str], Depends(_if_none_match)]


@router.get("/agents", response_model=AgentList, responses=responses(503))
async def list_agents(caller: CurrentCaller) -> Response:
    """The operator's agents and those of the caller's API key, by their ids. Files that cannot be read are left out."""
    agents = await caller.agents.list(caller.reach)
    encoded = await asyncio.to_thread(AgentList.encode, agents, caller.reach)
    headers = {"Vary": "Accept"}  # the path has a page as well: what is kept of the answer is not for everybody
    return Response(encoded, media_type="application/json", headers=headers)


@router.get(
    "/agents/{agent_id}",
    response_model=AgentView,
    responses={
        200: {"headers": _TAG},
        304: {"description": "It is still the one that `If-None-Match` names", "headers": _TAG},
        **responses(404, 409, 422, 503),
    },
)
async def show_agent(agent_id: AgentIdPath, caller: CurrentCaller, known: IfNoneMatch) -> Response:
    """The operator's, or one of the caller's API key."""
    agent = await caller.agents.get(agent_id, caller.reach)
    if agent.version in known or ANY in known:
        return Response(status_code=304, headers=_headers(agent))
    return JSONResponse(AgentView.of(agent, caller.reach).model_dump(), 200, _headers(agent))


@router.put(
    "/agents/{agent_id}",
    response_model=AgentView,
    responses={
        200: {"description": "It was changed", "headers": _TAG},
        201: {"description": "It was made", "model": AgentView, "headers": _TAG},
        **responses(*_FAILURES),
    },
)
async def put_agent(
    agent_id: AgentIdPath,
    asked: AgentInput,
    caller: CurrentCaller,
    if_match: IfMatch,
    if_there_is_none: IfThereIsNone = None,
) -> Response:
    """Make an agent, or change what is given of it. With API keys it belongs to the key that has made it, and the
    operator's agents cannot be changed."""
    if asked.id not in (None, agent_id):
        raise InvalidAgent(f"id: is another one than the path's, {agent_id}", field="id")
    is_new_only = if_there_is_none is not None
    agent, created = await caller.agents.put(agent_id, asked.change(), caller.reach, if_match, is_new_only)
    headers = _headers(agent) | ({"Location": caller.agent_location(agent)} if created else {})
    return JSONResponse(AgentView.of(agent, caller.reach).model_dump(), 201 if created else 200, headers)


@router.delete("/agents/{agent_id}", status_code=204, responses=responses(404, *_FAILURES))
async def delete_agent(agent_id: AgentIdPath, caller: CurrentCaller, if_match: IfMatch) -> Response:
    """Turns that it has answered stay as they are."""
    await caller.agents.delete(agent_id, caller.reach, if_match)
    return Response(status_code=204)


def _headers(agent: Agent) -> dict[str, str]:
    """Whoever keeps it asks each time whether it still holds."""
    return {"ETag": entity_tag(agent.version), "Cache-Control": "no-cache"}
