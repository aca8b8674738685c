"""The traps of Redis' pub/sub and of redis-py: what is lost in them is counted, and nothing is taken for another."""

import asyncio

import pytest
from redis import Redis

from core.telemetry.log_stream.redis_stream import ANSWER_SECONDS
from logs.stream.reader import BLOCK_MS
from logs.stream.redis_client import RedisClient
from tests.logs.test_losses import lost
from tests.logs.viewing import Gateway
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

EVERYTHING = "2000-01-01T00:00:00Z"
STEPS = 60
"""Of the event loop: more than a command takes."""


async def test_a_connection_that_was_made_anew_is_a_gap(gateway: Gateway, redis: RedisServer) -> None:
    """redis-py subscribes again by itself, and says nothing of what was published meanwhile."""
    with redis.client() as client:
        gateway.freeze()
        assert client.client_kill_filter(_type="pubsub") == 1
        unheard = 0
        while unheard < 5:
            assert client.publish("logs", f"{unheard}") == 0
            unheard += 1
        gateway.thaw()
        while client.publish("logs", f"{unheard}") == 0:
            unheard += 1
    async with gateway.viewer(since=EVERYTHING) as viewer:
        told = await viewer.until(lost)
        assert told.data["fields"]["lost"] == unheard
        assert str(unheard) in viewer.messages


async def test_a_reader_that_is_too_slow_is_cut_off_and_says_what_it_missed(
    gateway: Gateway, redis: RedisServer
) -> None:
    with redis.client() as client:
        client.config_set("client-output-buffer-limit", "pubsub 1mb 1mb 1")
        gateway.freeze()
        published = _publish_until_nobody_hears(client)
        for _ in range(10):
            assert client.publish("logs", "to nobody") == 0
            published += 1
        gateway.thaw()
        while client.publish("logs", "heard again") == 0:
            published += 1
    async with gateway.viewer(since=EVERYTHING) as viewer:
        told = await viewer.until(lost)
        shown = sum(message.startswith("x") for message in viewer.messages)
        assert told.data["fields"]["lost"] + shown == published
        assert told.data["fields"]["lost"] >= 10


def _publish_until_nobody_hears(client: Redis) -> int:
    published = 0
    while client.publish("logs", f"x{published} " + "y" * 10_000) == 1:
        published += 1
    return published + 1


async def test_a_line_is_shown_once_whatever_patterns_it_matches(gateway: Gateway, redis: RedisServer) -> None:
    async with gateway.viewer() as viewer:
        for channel in ("logs", "logs:errors", "logs:my-own"):
            redis.publish(channel, f"on {channel}")
        await viewer.until_message("on logs:my-own")
        assert viewer.messages == ["on logs", "on logs:errors", "on logs:my-own"]


async def test_other_channels_are_none_of_its_business(gateway: Gateway, redis: RedisServer) -> None:
    async with gateway.viewer() as viewer:
        redis.publish("logsmith", "no")
        redis.publish("mail", "no")
        redis.publish("logs", "yes")
        await viewer.until_message("yes")
        assert viewer.messages == ["yes"]


async def test_bytes_of_any_kind_are_a_line(gateway: Gateway, redis: RedisServer) -> None:
    async with gateway.viewer() as viewer:
        for message in (b"\xff\xfe\x00bad", b"", b'{"broken', b"[1, 2]", b"null", b'"text"'):
            redis.publish("logs", message)
        redis.publish("logs", "end")
        await viewer.until_message("end")
        assert len(viewer.messages) == 7


def test_an_idle_stream_is_not_taken_for_a_dead_server() -> None:
    """redis-py gives up a read that blocks for longer than the time it waits for an answer."""
    assert BLOCK_MS / 1000 < ANSWER_SECONDS


async def test_a_task_ends_in_whichever_step_of_a_command_it_is_cancelled(redis: RedisServer) -> None:
    """Up to Python 3.11 `asyncio.wait_for` loses some cancellations, and redis-py sends by it."""

    async def ask_for_ever() -> None:
        while True:
            await client.ping()

    async with RedisClient.of(redis.url) as client:
        for steps in range(STEPS):
            task = asyncio.create_task(ask_for_ever())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE_SECONDS)
            assert task.cancelled(), f"the cancellation in step {steps} was lost"
