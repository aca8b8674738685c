"""Lines that break parsers, decoders or clocks are shown, and what comes behind them as well."""

import json
from time import thread_time

import httpx
import pytest

from core.telemetry.log_stream.appender import Appender, Line
from core.telemetry.log_stream.record import Record, encode_record
from core.telemetry.log_stream.redis_stream import STREAM
from logs.records.parsing import parse_line
from logs.stream.hearing import BEATS
from logs.stream.redis_lines import MOST_LINES
from tests.logs.conftest import Shared, StartGateway
from tests.logs.viewing import line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

DEEPEST = 2000
POISON = [
    '{"level":1e999,"x":NaN}',
    '{"level":-1e999}',
    *('{"a":' + "[" * depth + "]" * depth + "}" for depth in (50, 500, 980, 990, 993, 995, 1000, DEEPEST)),
    '{"a":"\\ud800"}',
    '{"\\ud800":1}',
    '{"time":"9999-12-31T23:59:59Z","msg":"the end of time"}',
    '{"time":1e300,"msg":"beyond"}',
    '{"time":-1e300}',
    '{"log":"x","time":{}}',
    '{"level":{"name":{"name":{}}}}',
    "\x9d" * 100_000,
    "\x90\x9d" * 50_000,
    "\x1b]" * 50_000,
    "=" * 1000,
    'a="' * 1000,
]
NO_RECORDS = [
    b"",
    b"no JSON",
    b'{"time":"x"',
    b'{"time":1}',
    b"[]",
    b'{"time":"x"}\n\nevent: status\ndata: {}',
    b"\xff{",
]
SPREAD = b'{"time":"x",\r\n\n"service":"y",\n\n"message":"spread"}'
"""A record, over several lines."""


@pytest.mark.parametrize("text", POISON, ids=range(len(POISON)))
def test_a_line_becomes_a_record_that_can_be_read(text: str) -> None:
    record = parse_line(text, "test", arrived=1.8e9)
    assert isinstance(json.loads(encode_record(record)), dict)


def test_no_line_takes_long() -> None:
    for text in POISON:
        began = thread_time()
        parse_line(text, "test", arrived=1.8e9)
        assert thread_time() - began < 0.5, text[:20]  # 10 ms at most


def test_half_a_character_is_replaced() -> None:
    record = Record("2026-11-29T00:00:00Z", "x", "\ud800", fields={"file": "caf\udce9.log"})
    assert json.loads(encode_record(record))["fields"] == {"file": "caf\ufffd.log"}


async def test_the_gateway_goes_on(shared: Shared) -> None:
    gateway, redis, appender = shared
    async with gateway.viewer() as viewer:
        for text in POISON:
            redis.publish("logs", text.encode("utf-8", "surrogatepass"))
        redis.publish("logs:\0nul", "on a strange channel")
        redis.publish(BEATS, "no beat")
        with redis.client() as client:
            client.xadd(STREAM, {"not": "ours"}, id="*")
            for number, record in enumerate((*NO_RECORDS, SPREAD)):
                fields = {"channel": "logs", "writer": "", "number": number, "mark": "", "record": record}
                client.xadd(STREAM, fields, id="*")
        nested: object = 0
        for _ in range(100):
            nested = [nested]
        appender.append([Line("logs", b'{"time":"x","service":"y","message":"z"}'), line("deep", fields={"a": nested})])
        appender.append([line("end")])
        await viewer.until_message("end")
        redis.publish("logs", "still heard")
        await viewer.until_message("still heard")
        for record in NO_RECORDS:
            assert str(record, "utf-8", "replace") in viewer.messages
        assert "spread" in viewer.messages
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client_:
        assert (await client_.get("/history", params={"limit": 100})).status_code == 200
        text = (await client_.get("/export", params={"format": "text", "zone": "Asia/Tokyo"})).text
        assert "still heard" in text
        for query in ({"until": "9999-12-31T23:59:59Z"}, {"before": "9" * 19 + "-1"}, {"after": "1-" + "9" * 30}):
            assert (await client_.get("/history", params=query)).status_code in (200, 422), query


async def test_entries_of_others_are_in_nobodys_way(appender: Appender, redis: RedisServer) -> None:
    ms, number = map(int, appender.append([line("one")]).split("-"))
    with redis.client() as client:
        client.xadd(STREAM, {"not": "ours"}, id=f"{ms + 60_000}-{number + 7}")
    assert appender.append([line("two")]) == f"{ms + 60_001}-{number + 1}"
    assert appender.append([line("three")]) == f"{ms + 60_001}-{number + 2}"


async def test_however_many_of_them_what_comes_after_is_read(
    start_gateway: StartGateway, appender: Appender, redis: RedisServer
) -> None:
    gateway = start_gateway()
    async with gateway.viewer() as viewer:
        appender.append([line("before")])
        await viewer.until_message("before")
        with redis.client() as client:
            ms = int(client.time()[0]) * 1000
            for number in range(2 * MOST_LINES):
                client.xadd(STREAM, {"not": "ours"}, id=f"{ms + 60_000}-{number + 7}")
        appender.append([line("after")])
        await viewer.until_message("after")
        async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client_:
            lines = (await client_.get("/history", params={"limit": 2})).json()["lines"]
        assert [each["message"] for each in lines] == ["before", "after"]


async def test_a_batch_that_is_known_already_is_answered(appender: Appender) -> None:
    last = appender.append([line("one"), line("two")])
    appender.skip(-2)
    assert appender.append([line("one"), line("two")]).partition("-")[2] == last.partition("-")[2]
