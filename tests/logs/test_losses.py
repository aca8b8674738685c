"""What is lost is counted and told, what can be kept is kept: gateways and Redis are killed, frozen and restarted."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from core.telemetry.log_stream.appender import Appender, NotLeader
from core.telemetry.log_stream.redis_stream import LEADER
from core.telemetry.log_stream.writer import LineWriter
from tests.logs.conftest import Gateways, StartGateway
from tests.logs.viewing import Gateway, LogEvent, line
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


async def test_what_others_publish_outlives_the_gateway_that_leads(
    start_gateway: StartGateway, redis: RedisServer
) -> None:
    first, second = start_gateway(), start_gateway()
    if not (await first.get("/health"))["leads"]:  # it was too slow to keep the lead
        first, second = second, first
    assert (await first.get("/health"))["leads"]
    async with second.viewer() as viewer:
        for number in range(50):
            redis.publish("logs", f"before {number}")
        first.kill()
        for number in range(50):
            redis.publish("logs", f"after {number}")
        await viewer.until_message("after 49")
        told = [message for message in viewer.messages if message.startswith(("before", "after"))]
        assert sorted(told) == sorted([f"before {n}" for n in range(50)] + [f"after {n}" for n in range(50)])
        assert not [event for event in viewer.of("line") if "lost" in event.get("fields", {})]
    assert (await second.get("/health"))["leads"]


async def test_what_others_publish_while_nobody_hears_is_counted(
    start_gateway: StartGateway, redis: RedisServer
) -> None:
    first = start_gateway()
    async with first.viewer() as viewer:
        redis.publish("logs", "heard")
        await viewer.until_message("heard")
    first.kill()
    for number in range(7):
        assert redis.publish("logs", f"unheard {number}") == 0
    second = start_gateway()
    async with second.viewer(since="2000-01-01T00:00:00Z") as viewer:
        told = await viewer.until(lost)
        assert told.data["fields"]["lost"] == 7
        assert told.data["message"].startswith("7 lines that others published while no dashboard listened")


async def test_what_own_writers_say_meanwhile_is_not_lost(start_gateway: StartGateway, appender: Appender) -> None:
    first = start_gateway()
    place = appender.append([line("before")])
    first.kill()
    appender.append([line(f"{number}") for number in range(1000)])
    second = start_gateway()
    async with second.viewer(place) as viewer:
        await viewer.until_message("999")
        assert viewer.messages == [str(number) for number in range(1000)]
    await second.archived(viewer.last_id)
    assert len(await second.history(limit=2000)) >= 1001


async def test_one_redis_that_is_away_is_waited_for_and_shown(start_gateway: StartGateway, redis: RedisServer) -> None:
    gateway = start_gateway()
    with closing(Appender(redis.url, 100_000)) as appender:
        writer = LineWriter(appender)
        writer.start()
        async with gateway.viewer() as viewer:
            writer.put("logs", line("0").record)
            await viewer.until_message("0")
            redis.stop()
            await viewer.until(lambda event: event.name == "status" and event.data["redis"] == "away")
            assert (await gateway.get_status("/health")) == 503
            for number in range(1, 2000):
                writer.put("logs", line(f"{number}").record)
            redis.start()
            await viewer.until(lambda event: event.name == "status" and event.data["redis"] == "up")
            if "1999" not in viewer.messages:
                await viewer.until_message("1999")
            assert viewer.messages == [str(number) for number in range(2000)]
        writer.stop()


async def test_a_frozen_redis_is_told_apart(gateway: Gateway, redis: RedisServer) -> None:
    async with gateway.viewer() as viewer:
        redis.freeze()
        await viewer.until(lambda event: event.name == "status" and event.data["redis"] == "frozen")
        redis.thaw()
        await viewer.until(lambda event: event.name == "status" and event.data["redis"] == "up")
        while redis.publish("logs", "again") == 0:  # noqa: ASYNC110 - not heard yet
            await anyio.sleep(0.05)
        await viewer.until_message("again")


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that has nothing any more when it starts again."""
    home = tmp_path / "forgetful"
    home.mkdir()
    with RedisServer(home, persists=False) as server:
        yield server


async def test_what_a_redis_forgets_is_counted(forgetful: RedisServer, tmp_path: Path) -> None:
    with Gateways(tmp_path, forgetful) as gateways, closing(Appender(forgetful.url, 100_000)) as appender:
        gateway = gateways.start()
        async with gateway.viewer() as viewer:
            appender.append([line("one"), line("two")])
            await viewer.until_message("two")
            forgetful.kill()
            appender.skip(5)  # as if these had been in the memory of the one that was killed
            forgetful.start()
            appender.append([line("eight")])
            await viewer.until_message("eight")
            # What others published meanwhile may be told first: nobody knows how much that was.
            told = await viewer.until(lambda event: lost(event) and "writer" in event.data["fields"])
            assert told.data["fields"]["lost"] == 5
            assert told.data["message"].startswith("5 lines of test lost")
        assert viewer.messages[:3] == ["one", "two", "eight"]


async def test_a_writer_that_had_to_drop_lines_says_how_many_by_their_numbers(
    gateway: Gateway, redis: RedisServer
) -> None:
    with closing(Appender(redis.url, 100_000)) as appender:
        writer = LineWriter(appender, most_bytes=2000)
        for number in range(100):
            writer.put("logs", line(f"{number}").record)
        async with gateway.viewer() as viewer:
            appender.append([line("first")])
            writer.start()
            told = await viewer.until(lost)
            kept = [message for message in viewer.messages if message.isdigit()]
            assert kept[-1] == "99"
            assert told.data["fields"]["lost"] + len(kept) == 100
        writer.stop()


async def test_a_batch_that_is_sent_again_is_passed_over(gateway: Gateway, appender: Appender) -> None:
    async with gateway.viewer() as viewer:
        appender.append([line("one"), line("two")], {"file": "2"})
        appender.skip(-2)  # as if no answer had come
        appender.append([line("one"), line("two"), line("three")], {"file": "3"})
        await viewer.until_message("three")
        assert viewer.messages == ["one", "two", "three"]


async def test_who_leads_no_more_appends_nothing(redis: RedisServer) -> None:
    with closing(Appender(redis.url, 1000, "old")) as old, redis.client() as client:
        client.set(LEADER, "old")
        old.append([line("one")])
        client.set(LEADER, "new")
        with pytest.raises(NotLeader):
            old.append([line("two")])


def lost(event: LogEvent) -> bool:
    return event.name == "line" and "lost" in event.data.get("fields", {})
