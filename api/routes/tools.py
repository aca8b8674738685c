"""GET /tools."""

from fastapi import APIRouter

from api.dependencies import CurrentCaller
from api.http.problems import responses
from api.views import ToolList, ToolView

router = APIRouter(tags=["agents"])


@router.get("/tools", responses=responses(503))
async def list_tools(caller: CurrentCaller) -> ToolList:
    """The tools that agents can be given, as far as the caller's key may use them."""
    return ToolList(tools=[ToolView(name=name, description=description) for name, description in caller.tools()])
