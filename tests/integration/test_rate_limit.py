"""What costs money is counted for each key: in each process, or in all of them together."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import anyio
import httpx
import pytest

from bench.processes import free_port
from tests.client import Client
from tests.integration.conftest import ALICE, BOB, KEYS, assert_problem
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.stack import Stack

pytestmark = pytest.mark.anyio

CHEAP = {"mode": "direct", "model": "mock?tokens=1"}


async def ask(client: Client) -> httpx.Response:
    return await client.ask(**CHEAP)


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(stack: Stack) -> None:
    api = stack.start_api(API_KEYS=KEYS, RATE_LIMIT="3/minute")
    async with Client(api.url, ALICE) as alice, Client(api.url, BOB) as bob:
        answers = [await ask(alice), await alice.http.get("/test"), await ask(alice)]
        assert [answer.status_code for answer in answers] == [200] * 3
        for left, answer in zip((2, 1, 0), answers, strict=True):
            assert answer.headers["ratelimit-policy"] == '"key";q=3;w=60'
            assert re.fullmatch(rf'"key";r={left};t=\d+', answer.headers["ratelimit"])

        for refused in (await ask(alice), await alice.http.get("/test")):
            assert_problem(refused, 429, "rate_limited")
            assert 0 < int(refused.headers["retry-after"]) <= 60
            assert refused.headers["ratelimit"].startswith('"key";r=0;')
        session = answers[0].headers["x-session-id"]
        for free in (f"/sessions/{session}", "/sessions", f"/stream/{session}", "/health"):
            assert (await alice.http.get(free)).status_code == 200
        assert (await ask(bob)).status_code == 200


async def test_what_is_not_valid_counts_for_nothing(stack: Stack) -> None:
    async with Client(stack.start_api(API_KEYS=KEYS, RATE_LIMIT="1/hour").url, ALICE) as alice:
        for body in ({}, {"message": ""}, {"message": "hi", "mode": "slow"}):
            refused = await alice.http.post("/chat", json=body)
            assert_problem(refused, 422, "invalid_input")
            assert "ratelimit" not in refused.headers
        assert_problem(await alice.http.post("/chat", content="{"), 422, "invalid_input")
        assert (await ask(alice)).status_code == 200
        assert_problem(await ask(alice), 429, "rate_limited")


async def test_the_window_moves_on(stack: Stack) -> None:
    api = stack.start_api(API_KEYS=KEYS, RATE_LIMIT="2/second")
    async with Client(api.url, ALICE) as alice:
        with anyio.fail_after(PATIENCE_SECONDS):
            while all(answer.status_code == 200 for answer in await asyncio.gather(*(ask(alice) for _ in range(3)))):
                pass  # two fit into a second
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await ask(alice)).status_code == 429:
                pass


async def test_without_keys_nobody_is_counted(stack: Stack) -> None:
    async with Client(stack.start_api(RATE_LIMIT="1/hour").url) as client:
        answers = [await ask(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "ratelimit" not in answers[0].headers


class Redis:
    """A real one, on a port of its own and without a file."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, cwd=self._home, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    require(shutil.which("redis-server"), "no redis-server; install the package redis-server")
    redis = Redis(tmp_path)
    yield redis
    redis.stop()


async def test_with_redis_all_processes_count_together(stack: Stack, redis: Redis) -> None:
    """And while it is away nobody is kept from asking, which the log says once."""
    apis = [stack.start_api(API_KEYS=KEYS, RATE_LIMIT="4/hour", RATE_LIMIT_STORAGE=redis.url) for _ in range(2)]
    async with Client(apis[0].url, ALICE) as one, Client(apis[1].url, ALICE) as other:
        for _ in range(5):
            assert (await ask(one)).status_code == 200
        assert apis[0].output().count("rate_limit.away") == 1

        redis.start()
        counted = 0
        with anyio.fail_after(PATIENCE_SECONDS):
            clients = cycle([one, other])
            while counted < 4:
                answer = await ask(next(clients))
                assert answer.status_code == 200
                counted += "ratelimit" in answer.headers
        for client in (one, other):
            assert_problem(await ask(client), 429, "rate_limited")
        assert apis[0].output().count("rate_limit.back") == 1

        redis.stop()
        assert (await ask(one)).status_code == 200
