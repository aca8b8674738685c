"""Lines by the thousand while the gateway is killed and Redis is restarted: none is lost, and none comes twice."""

import pytest

from bench.logs.__main__ import measure

pytestmark = pytest.mark.anyio


async def test_every_line_is_shown_and_archived_once() -> None:
    outcome = await measure("dashboard", "logs.app:app", minutes=0.15, rate=1000)
    assert outcome.said == 9000
    assert (outcome.lost, outcome.doubled, outcome.archived) == (0, 0, outcome.said)
