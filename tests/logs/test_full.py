"""A Redis whose memory is used up goes on taking lines: its oldest make room, and the page says so."""

import pytest

from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.writer import LineWriter
from tests.logs.viewing import Gateway, line
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


async def test_the_oldest_lines_make_room(gateway: Gateway, redis: RedisServer, appender: Appender) -> None:
    with redis.client() as client:
        client.config_set("maxmemory", "20mb")
        client.config_set("maxmemory-policy", "noeviction")
    writer = LineWriter(appender, most_bytes=50_000_000)
    async with gateway.viewer() as viewer:
        writer.start()
        for _ in range(250):
            writer.put("logs", line("x" * 100_000).record)
        writer.put("logs", line("still here").record)
        told = await viewer.until(lambda event: event.name == "line" and "nearly full" in event.data["message"])
        assert told.data["level"] == "warning"
        if "still here" not in viewer.messages:
            await viewer.until_message("still here")
        assert sum(message.startswith("x") for message in viewer.messages) == 250
    writer.stop()
