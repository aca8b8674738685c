"""The built-in tool `current_time`."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from core.tools.base import ToolError


async def current_time(
    timezone: Annotated[str, Field(description="An IANA time zone, such as Europe/Berlin.", max_length=100)] = "UTC",
) -> str:
    """In ISO 8601, with the zone's distance from UTC."""
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, LookupError, OSError) as error:  # no name of a zone, an unknown one, that of a folder of zones
        raise ToolError(f"There is no time zone {timezone!r}; name one as Europe/Berlin or UTC.") from error
    return datetime.now(zone).isoformat(timespec="seconds")
