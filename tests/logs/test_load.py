"""Gateway and collector are killed and Redis is restarted while lines come by the thousand: none is lost or doubled."""

import pytest

from bench.logs import measuring
from bench.logs.measuring import measure
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def test_every_line_is_shown_and_archived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STILL_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(measuring, name, PATIENCE_SECONDS)
    outcome = await measure("dashboard", "logs.app:app", minutes=0.2, rate=1000)
    assert outcome.said == 12_000 + 1200
    assert (outcome.lost, outcome.doubled, outcome.archived) == (0, 0, outcome.said)
