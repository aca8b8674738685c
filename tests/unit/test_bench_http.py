"""The load driver's HTTP: kept alive, read as it comes, and honest about what went wrong."""

import pytest

from bench.clients import Question, Reading, read_openai
from bench.http_client import HttpClient, HttpError, fetch
from bench.mock_upstream import MockUpstream

pytestmark = pytest.mark.anyio


async def ask(http: HttpClient, model: str) -> Reading:
    reading = Reading()
    await read_openai(http, Question(model, "s"), reading)
    return reading


async def test_an_answer_is_read_token_by_token() -> None:
    async with MockUpstream(tokens=20, rate=0, text="stamped") as mock:
        reading = await ask(HttpClient(mock.url), "mock")

    assert (reading.ledger.received, reading.ledger.lost(20), reading.complete) == (20, 0, True)
    assert reading.first_token_ms is not None
    assert 0 < reading.first_token_ms < 10_000


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with MockUpstream(tokens=3, rate=0) as mock:
        http = HttpClient(mock.url)
        await ask(http, "mock")
        connection = http._connection
        await ask(http, "mock")

        assert http._connection is connection
        assert mock.stats.disconnects == 0


async def test_a_refusal_is_an_error_with_what_the_server_said() -> None:
    async with MockUpstream() as mock:
        http = HttpClient(mock.url)
        with pytest.raises(HttpError, match="503"):
            await ask(http, "mock?status=503")

        assert (await ask(http, "mock?tokens=2&rate=0")).complete  # and the connection is as good as before


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    async with MockUpstream(rate=0) as mock:
        http, reading = HttpClient(mock.url), Reading()
        with pytest.raises(HttpError, match="closed in the middle"):
            await read_openai(http, Question("mock?drop_after=3", "s"), reading)

        assert reading.ledger.received == 3
        assert not reading.complete


async def test_what_does_not_answer_has_no_body() -> None:
    async with MockUpstream() as mock:
        assert await fetch(mock.url, "/health") == b'{"status":"ok"}'
        assert await fetch(mock.url, "/nothing") is None
    assert await fetch(mock.url, "/health") is None
