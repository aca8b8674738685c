"""Lines as they come: live, filtered, resumed exactly, with every gap told."""

import httpx
import pytest

from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.redis_stream import STREAM
from tests.logs.conftest import Shared, StartGateway
from tests.logs.viewing import line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


async def test_what_anybody_publishes_is_shown_and_marked(shared: Shared) -> None:
    gateway, redis, _ = shared
    async with gateway.viewer() as viewer:
        assert redis.publish("logs", "Test message") == 1
        plain = await viewer.until_message("Test message")
        assert (plain.data["channel"], plain.data["via"], plain.data["service"]) == ("logs", "publish", "redis")
        assert "level" not in plain.data
        redis.publish("logs:errors", '{"level": "error", "service": "model", "message": "out of memory", "gpu": 1}')
        told = (await viewer.until_message("out of memory")).data
        assert (told["channel"], told["level"], told["service"]) == ("logs:errors", "error", "model")
        assert told["fields"] == {"gpu": 1}
        assert told["via"] == "publish"


async def test_what_our_writers_say_is_published_as_well(shared: Shared) -> None:
    gateway, redis, appender = shared
    with redis.client() as client, client.pubsub() as heard:
        heard.subscribe("logs")
        heard.get_message(timeout=5)
        async with gateway.viewer() as viewer:
            last = appender.append([line("one"), line("two")])
            assert (await viewer.until_message("two")).id == last
            assert viewer.messages == ["one", "two"]
        published = heard.get_message(timeout=5)
        assert published is not None
        assert published["data"].startswith(b'{"hopstream_id":"')
        assert b'"message":"one"' in published["data"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"channel": "logs:errors"}, ["boom", "bang"]),
        ({"channel": ["logs", "logs:debug"]}, ["Hello", "hm"]),
        ({"service": "api"}, ["Hello", "boom"]),
        ({"level": "warning"}, ["boom", "bang"]),
        ({"level": "critical"}, ["bang"]),
        ({"q": "HELL"}, ["Hello"]),
        ({"q": "gpu"}, ["bang"]),
        ({"regex": "^b[ao]"}, ["boom", "bang"]),
        ({"session": "s1"}, ["Hello"]),
        ({"request": "r1"}, ["boom"]),
        ({"service": "worker", "level": "error"}, ["bang"]),
    ],
)
async def test_only_what_passes_the_filter_is_told(
    shared: Shared, query: dict[str, str | list[str]], wanted: list[str]
) -> None:
    gateway, _, appender = shared
    async with gateway.viewer(**query) as viewer:
        appender.append(
            [
                line("Hello", "api", level="info", fields={"session_id": "s1"}),
                line("boom", "api", level="error", fields={"request_id": "r1"}),
                line("bang", "worker", level="critical", fields={"device": "gpu"}),
                line("hm", "worker", level="debug"),
            ]
        )
        await viewer.until_message(wanted[-1])
        assert viewer.messages == wanted


async def test_who_comes_back_goes_on_at_any_gateway(start_gateway: StartGateway, appender: Appender) -> None:
    first, second = start_gateway(), start_gateway(LOG_ARCHIVE="none")
    async with first.viewer() as viewer:
        appender.append([line(f"{number}") for number in range(5)])
        place = (await viewer.until_message("2")).id
    appender.append([line(f"{number}") for number in range(5, 2000)])
    for gateway in (first, second):
        async with gateway.viewer(place) as viewer:
            await viewer.until_message("1999")
            assert viewer.messages == [str(number) for number in range(3, 2000)]
            assert not viewer.of("gap")


async def test_a_gap_is_told_with_its_size(start_gateway: StartGateway, redis: RedisServer, appender: Appender) -> None:
    gateway = start_gateway(LOG_ARCHIVE="none")
    place = appender.append([line("first")])
    appender.append([line(f"{number}") for number in range(100)])
    with redis.client() as client:
        client.xtrim(STREAM, maxlen=10, approximate=False)
    restarted = start_gateway(LOG_ARCHIVE="none")  # which has not read them
    async with restarted.viewer(place) as viewer:
        await viewer.until_message("99")
        assert [gap["lines"] for gap in viewer.of("gap")] == [90]
        assert viewer.messages == [str(number) for number in range(90, 100)]
    gateway.stop()


async def test_what_redis_has_no_longer_comes_from_the_archive(
    start_gateway: StartGateway, redis: RedisServer, appender: Appender
) -> None:
    gateway = start_gateway()
    place = appender.append([line("first")])
    appender.append([line(f"{number}") for number in range(99)])
    last = appender.append([line("99")])
    await gateway.archived(last)
    with redis.client() as client:
        client.xtrim(STREAM, maxlen=10, approximate=False)
    gateway.stop()
    restarted = start_gateway()
    async with restarted.viewer(place) as viewer:
        await viewer.until_message("99")
        assert viewer.messages == [str(number) for number in range(100)]
        assert not viewer.of("gap")


async def test_a_rate_skips_the_oldest_and_says_how_many(shared: Shared) -> None:
    gateway, _, appender = shared
    async with gateway.viewer(rate=10) as viewer:
        appender.append([line(f"{number}") for number in range(500)])
        await viewer.until_message("499")
        assert sum(each["lines"] for each in viewer.of("skipped")) + len(viewer.messages) == 500
        assert viewer.messages[-5:] == ["495", "496", "497", "498", "499"]
        assert len(viewer.messages) < 100


async def test_a_place_that_is_none_is_refused(shared: Shared) -> None:
    for query in ({"last_event_id": "x"}, {"regex": "(a"}, {"since": "yesterday"}, {"level": "loud"}, {"rate": "0"}):
        async with httpx.AsyncClient(base_url=shared.gateway.url, timeout=PATIENCE_SECONDS) as client:
            answer = await client.get("/stream", params=query)
        assert answer.status_code == 422, query
        assert answer.json()["code"] == "bad_query"
        assert next(iter(query)) in answer.json()["detail"].lower().replace("-", "_")


async def test_since_begins_in_the_past(shared: Shared) -> None:
    gateway, _, appender = shared
    said = {"service": "since"}
    appender.append([line("old", at=2_500_000_000, **said), line("new", at=2_600_000_000, **said)])
    async with gateway.viewer(since="2050-01-01T00:00:00Z", **said) as viewer:
        await viewer.until_message("new")
        assert viewer.messages == ["new"]


async def test_the_place_goes_on_though_nothing_passes_the_filter(shared: Shared) -> None:
    gateway, _, appender = shared
    async with gateway.viewer(service="nobody") as viewer:
        last = appender.append([line("not for nobody")])
        await viewer.until(lambda event: event.name == "status" and event.id == last)
        assert viewer.messages == []


async def test_who_comes_while_redis_is_away_is_told_what_comes_then(
    start_gateway: StartGateway, redis: RedisServer, appender: Appender
) -> None:
    appender.append([line("long before")])
    redis.stop()
    gateway = start_gateway(waits=False)
    await gateway.listens()
    async with gateway.viewer() as viewer:
        assert viewer.of("status")[0]["redis"] == "away"
        redis.start()
        await viewer.until(lambda event: event.name == "status" and event.data["redis"] == "up")
        appender.append([line("now")])
        await viewer.until_message("now")
        assert "long before" not in viewer.messages
