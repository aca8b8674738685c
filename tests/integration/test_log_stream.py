"""LOG_STREAM: what API and workers say, and what each turn took, is in Redis as well, and costs no answer anything."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from core.telemetry.log_stream.redis_stream import STREAM
from tests.client import Client, new_session, numbered
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.stack import Stack

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, redis: RedisServer) -> Iterator[Stack]:
    with Stack(tmp_path, LOG_STREAM=redis.url, LOG_FORMAT="json") as stack:
        yield stack


class Lines:
    """All that are in Redis."""

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis

    def read(self) -> list[dict[str, Any]]:
        with self._redis.client() as client:
            entries = client.xrange(STREAM)
        return [{"channel": str(fields[b"channel"], "ascii"), **json.loads(fields[b"record"])} for _, fields in entries]

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                if found := next(filter(wanted, self.read()), None):
                    return found
                await anyio.sleep(0.05)


async def test_a_request_is_followed_from_the_api_to_the_worker(stack: Stack, redis: RedisServer) -> None:
    api, _ = stack.start_api(), stack.start_worker()
    lines, session = Lines(redis), new_session()
    async with Client(api.url) as client:
        accepted = await client.ask("a question of mine", session_id=session, model="mock?tokens=20&rate=500")
        request = accepted.headers["x-request-id"]
        await client.until(session, "done")
    ended = await lines.until(lambda line: line["message"] == "turn ended" and session in str(line))
    assert (ended["service"], ended["level"], ended["channel"]) == ("worker", "info", "logs")
    assert ended["fields"]["session_id"] == session
    await lines.until(lambda line: line["service"] == "api" and line.get("fields", {}).get("request_id") == request)
    assert ended["fields"]["request_id"] == request
    assert "a question of mine" not in str(lines.read())


async def test_what_a_turn_took_is_told(stack: Stack, redis: RedisServer) -> None:
    api, _ = stack.start_api(), stack.start_worker()
    session = new_session()
    async with Client(api.url) as client:
        for mode in ("queue", "direct"):
            await client.ask(session_id=session, model="mock?tokens=20&rate=500", mode=mode)
            await client.until(session, "done", number=1 if mode == "queue" else 2)
    for mode in ("queue", "direct"):
        told = await Lines(redis).until(
            lambda line, mode=mode: (
                line["channel"] == "logs:metrics"  # type: ignore[misc]
                and line["fields"].get("mode") == mode
                and line["fields"]["session_id"] == session
            )
        )
        figures = told["fields"]
        assert (figures["output_tokens"], figures["finish_reason"], figures["provider"]) == (20, "stop", "openai")
        assert 0 < figures["first_token_seconds"] < figures["seconds"]
        assert figures["tokens_per_second"] > 0
        assert "20 tokens" in told["message"]


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
async def test_a_redis_that_is_away_costs_the_answers_nothing(tmp_path: Path, trouble: str) -> None:
    home = tmp_path / "redis"
    home.mkdir()
    with RedisServer(home) as redis, Stack(tmp_path, LOG_STREAM=redis.url) as stack:
        api, worker = stack.start_api(), stack.start_worker()
        if trouble == "killed":
            redis.kill()
        else:
            redis.freeze()
        async with Client(api.url) as client:
            sessions = [new_session() for _ in range(5)]
            for session in sessions:
                await client.ask(session_id=session, model="mock?tokens=30")
            for session in sessions:
                assert (await client.until(session, "done"))["text"] == numbered(30)
        if trouble == "killed":
            redis.start()
        else:
            redis.thaw()
        for session in sessions:
            await Lines(redis).until(lambda line, s=session: line["message"] == "turn ended" and s in str(line))  # type: ignore[misc]
        worker.stop()
        api.stop()
    assert worker.exit_code == 0
