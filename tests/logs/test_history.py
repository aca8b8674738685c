"""What was said before: pages in both directions over Redis and archive, downloads, totals."""

import json

import httpx
import pytest

from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.redis_stream import STREAM
from tests.logs.conftest import StartGateway
from tests.logs.viewing import Gateway, line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["archived", "in Redis alone", "trimmed"])
async def filled(
    request: pytest.FixtureRequest, start_gateway: StartGateway, redis: RedisServer, appender: Appender
) -> Gateway:
    """Has the lines 0 to 99."""
    gateway = start_gateway(LOG_ARCHIVE="none") if request.param == "in Redis alone" else start_gateway()
    last = appender.append([line(f"{number}", level="error" if number % 10 == 0 else "info") for number in range(100)])
    if request.param != "in Redis alone":
        await gateway.archived(last)
    if request.param == "trimmed":
        with redis.client() as client:
            client.xtrim(STREAM, maxlen=20, approximate=False)
    return gateway


async def test_it_is_paged_backwards(filled: Gateway) -> None:
    pages: list[list[str]] = []
    before: dict[str, str] = {}
    while True:
        page = await filled.get("/history", limit=30, **before)
        pages.append([each["message"] for each in page["lines"]])
        if not page["more"]:
            break
        before = {"before": page["before"]}
    assert [text for page in reversed(pages) for text in page] == [str(number) for number in range(100)]
    assert [len(page) for page in pages] == [30, 30, 30, 10]


async def test_it_is_paged_forwards(filled: Gateway) -> None:
    told, after = [], "0-0"
    while True:
        page = await filled.get("/history", limit=30, after=after)
        told += [each["message"] for each in page["lines"]]
        if not page["more"]:
            break
        after = page["after"]
    assert told == [str(number) for number in range(100)]


async def test_it_is_filtered(filled: Gateway) -> None:
    assert await filled.history(level="error", limit=3) == ["70", "80", "90"]
    assert await filled.history(regex="^4[0-9]$") == [str(number) for number in range(40, 50)]
    assert await filled.history(q="77") == ["77"]
    assert await filled.history(service="nobody") == []


async def test_it_is_downloaded(filled: Gateway) -> None:
    async with httpx.AsyncClient(base_url=filled.url, timeout=PATIENCE_SECONDS) as client:
        lines = (await client.get("/export", params={"level": "error"})).text.splitlines()
        assert [json.loads(each)["message"] for each in lines] == [str(number) for number in range(0, 100, 10)]
        text = (await client.get("/export", params={"q": "77", "format": "text", "zone": "Asia/Tokyo"})).text
        assert text == "2027-01-15T17:00:00.000+09:00 info test: 77\n"
        refused = await client.get("/export", params={"format": "text", "zone": "Nowhere/AtAll"})
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_query")


async def test_an_empty_one_is_empty(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    assert await gateway.get("/history") == {
        "lines": [],
        "more": False,
        "before": None,
        "scanned_to": None,
        "trouble": None,
    }
    assert (await gateway.get("/totals"))["models"] == []


async def test_totals_are_of_the_lines_that_tell_figures(start_gateway: StartGateway, appender: Appender) -> None:
    gateway = start_gateway()
    now = 4e9  # whatever the clock says
    for tokens, first in ((10, 0.5), (20, 1.5), (30, 1.0)):
        fields = {"model": "m", "output_tokens": tokens, "first_token_seconds": first, "tokens_per_second": 2 * tokens}
        appender.append([line("x", channel="logs:metrics", at=now, fields=fields)])
    (total,) = (await gateway.get("/totals"))["models"]
    assert total == {
        "model": "m",
        "turns": 3,
        "input_tokens": 0,
        "output_tokens": 60,
        "first_token_seconds": 1.0,
        "tokens_per_second": 40,
    }
