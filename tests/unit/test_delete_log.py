"""A session log whose deletion meets a broker outage is deleted afterwards."""

import asyncio
from typing import Any, cast

import pytest

from core.broker.link import Link, broker_down
from core.feed import Feed
from core.keeper import Lease
from core.keys import TurnKey
from workers import publisher
from workers.publisher import Publisher

pytestmark = pytest.mark.anyio


class LinkInOutage:
    """Down for so many calls."""

    def __init__(self, outages: float) -> None:
        self.outages = outages
        self.deleted = 0

    async def call(self, work: Any, about: str) -> None:
        if self.outages:
            self.outages -= 1
            raise broker_down()
        self.deleted += 1

    async def wait_up(self) -> None:
        await asyncio.sleep(0)


def _publisher(link: LinkInOutage) -> Publisher:
    return Publisher(Feed(TurnKey("s", 1)), cast(Link, link), Lease(), 1)


async def test_it_is_tried_until_the_broker_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    link = LinkInOutage(3)
    await _publisher(link).delete_log()
    assert (link.outages, link.deleted) == (0, 1)


async def test_a_broker_that_stays_away_does_not_keep_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(publisher, "DELETE_SECONDS", 0.05)
    link = LinkInOutage(float("inf"))
    await asyncio.wait_for(_publisher(link).delete_log(), 2)
    assert link.deleted == 0
