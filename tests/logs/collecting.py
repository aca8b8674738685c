"""Collectors as processes of their own, and what of theirs is in the stream."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio

from core.telemetry.log_stream.redis_stream import STREAM
from tests.patience import PATIENCE_SECONDS
from tests.processes import Process
from tests.redis_server import RedisServer
from tests.stack import ROOT


class Collectors:
    """One after the other."""

    def __init__(self, home: Path, redis: RedisServer, **settings: str) -> None:
        self._home = home
        self._settings = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "REDIS_URL": redis.url} | settings
        self._started: list[Process] = []

    def start(self, **settings: str) -> Process:
        self._settings |= settings
        name = f"collector-{len(self._started)}"
        command = [sys.executable, "-m", "logs.collector"]
        process = Process(name, command, self._home / f"{name}.log", self._settings)
        self._started.append(process)
        return process

    def health(self) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "logs.collector.health"]
        done = subprocess.run(command, env=self._settings, cwd=self._home, capture_output=True, check=False)
        return done.returncode, json.loads(done.stdout)

    def stop(self) -> None:
        for process in self._started:
            if process.alive:
                process.kill()


def records(redis: RedisServer) -> list[dict[str, Any]]:
    """All that are in the stream."""
    with redis.client() as client:
        return [json.loads(fields[b"record"]) for _, fields in client.xrange(STREAM)]


def numbers(redis: RedisServer) -> list[int]:
    """Of all lines that are `line` and a number."""
    words = [record["message"].split() for record in records(redis)]
    return [int(line[1]) for line in words if line[:1] == ["line"]]


async def has(redis: RedisServer, count: int) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(numbers(redis)) < count:  # noqa: ASYNC110
            await anyio.sleep(0.05)
