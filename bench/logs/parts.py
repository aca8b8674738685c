"""What a measurement of the log dashboard consists of, each started again after it was killed or stopped."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from time import monotonic

import httpx
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.processes import READY_SECONDS, Processes, StartError, free_port
from core.telemetry.log_stream.redis_stream import OPTIONS

TICK_SECONDS = 0.05


async def until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Whichever producer may have ended meanwhile. Raises StartError."""
    deadline = monotonic() + READY_SECONDS
    while not await is_so():
        if monotonic() > deadline:
            raise StartError(f"waited {READY_SECONDS} s for {what}")
        await asyncio.sleep(TICK_SECONDS)


class Gateway:
    """Started again after each kill, as Compose or Kubernetes would."""

    def __init__(self, processes: Processes, app: str, settings: dict[str, str]) -> None:
        self._processes = processes
        self._app = app
        self._settings = settings
        self._port = free_port()
        self._number = 0
        self._before = 0.0
        self.url = f"http://127.0.0.1:{self._port}"
        self.cpu_seconds = 0.0
        self.memory_mb = 0.0

    async def start(self) -> None:
        self._number += 1
        self._name = f"gateway-{self._number}"
        command = ("uvicorn", self._app, "--port", str(self._port), "--no-access-log")
        self._processes.run_module(self._name, *command, env=self._settings)
        self._process = psutil.Process(self._processes.pids[self._name])
        await until(self._answers, "the gateway")

    async def kill(self) -> None:
        self.look()
        self._before = self.cpu_seconds
        self._process.kill()
        await asyncio.to_thread(self._processes.stop, [self._name])

    def look(self) -> None:
        """At what it takes."""
        times = self._process.cpu_times()
        self.cpu_seconds = self._before + times.user + times.system
        self.memory_mb = max(self.memory_mb, self._process.memory_info().rss / 2**20)

    async def has_archived(self, line_id: str) -> bool:
        """All up to that line."""
        async with httpx.AsyncClient() as client:
            archived = (await client.get(f"{self.url}/health")).json()["archived"]
        return archived is not None and _in_order(archived) >= _in_order(line_id)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}/health")).is_success
            except httpx.TransportError:
                return False


class RedisNode:
    """With its file of appends."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._port = free_port()
        self._before = 0.0
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.cpu_seconds = 0.0

    async def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise StartError("there is no redis-server")
        self._processes.run("redis", program, "--port", str(self._port), "--save", "", "--appendonly", "yes")
        self._process = psutil.Process(self._processes.pids["redis"])
        await until(self._answers, "Redis")

    async def stop(self) -> None:
        self.look()
        self._before = self.cpu_seconds
        await asyncio.to_thread(self._processes.stop, ["redis"])

    def look(self) -> None:
        times = self._process.cpu_times()
        self.cpu_seconds = self._before + times.user + times.system

    async def _answers(self) -> bool:
        async with Redis.from_url(self.url, **OPTIONS) as redis:
            try:
                return bool(await redis.ping())
            except RedisError:
                return False


class Collector:
    """Follows one file, whose lines are numbered, too."""

    def __init__(self, processes: Processes, settings: dict[str, str]) -> None:
        self._processes = processes
        self._file = processes.home / "collected.log"
        self._settings = {**settings, "LOG_COLLECT": "files", "LOG_FILES": str(self._file)}
        self._number = 0

    def start(self) -> None:
        self._file.touch()
        self._number += 1
        self._processes.run_module(f"collector-{self._number}", "logs.collector", env=self._settings)

    async def kill(self) -> None:
        name = f"collector-{self._number}"
        psutil.Process(self._processes.pids[name]).kill()
        await asyncio.to_thread(self._processes.stop, [name])

    async def write(self, rate: float, lines: int) -> None:
        """So many lines, at that rate."""
        begun, number = monotonic(), 0
        with self._file.open("a") as file:
            while number < lines:
                due = min(lines, int((monotonic() - begun) * rate) + 1)
                for number in range(number + 1, due + 1):  # noqa: B020 - goes on where it was
                    file.write(json.dumps({"message": "collected", "producer": "file", "number": number}) + "\n")
                file.flush()
                await asyncio.sleep(TICK_SECONDS)


def _in_order(line_id: str) -> list[int]:
    return [int(part) for part in line_id.split("-")]
