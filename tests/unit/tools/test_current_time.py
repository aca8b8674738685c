"""The tool that tells the time."""

from datetime import UTC, datetime, timedelta

import pytest

from core.tools.base import ToolError
from core.tools.builtin.clock import current_time

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Kolkata", 5.5), ("Etc/GMT+3", -3)])
async def test_the_time_in_a_zone(zone: str, offset: float) -> None:
    told = datetime.fromisoformat(await current_time(zone))
    assert told.utcoffset() == timedelta(hours=offset)
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=5)


async def test_without_a_zone_it_is_utc() -> None:
    assert (await current_time()).endswith("+00:00")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "America", "/etc/passwd", "../../etc/passwd", "a\0b", "é" * 90])
async def test_a_zone_that_there_is_not(zone: str) -> None:
    with pytest.raises(ToolError, match="There is no time zone"):
        await current_time(zone)
