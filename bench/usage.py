"""What processes take: CPU seconds and resident memory, by name. A process's children count as part of it, but not the
driver's own, which are what it measures."""

import os
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

AMQP_PORT = 5672


class Used(NamedTuple):
    cpu_seconds: float
    memory_mb: float


class Usage:
    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}

    def now(self) -> dict[str, Used]:
        """Raises psutil.NoSuchProcess for one that has ended."""
        return {name: _of(process) for name, process in self._processes.items()}


def _of(process: psutil.Process) -> Used:
    cpu, memory = 0.0, 0
    children = [] if process.pid == os.getpid() else process.children(recursive=True)
    for each in [process, *children]:
        try:
            times = each.cpu_times()
            memory += each.memory_info().rss
        except psutil.NoSuchProcess:
            if each is process:
                raise
        else:
            cpu += times.user + times.system
    return Used(cpu, memory / 2**20)


def broker_pid(url: str) -> int | None:
    """The process that listens on RabbitMQ's port, if it is on this machine and ours to see."""
    broker = urlsplit(url)
    if broker.hostname not in ("localhost", "127.0.0.1", "::1"):
        return None
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            port = getattr(connection.laddr, "port", None)
            if connection.status == psutil.CONN_LISTEN and port == (broker.port or AMQP_PORT) and connection.pid:
                return connection.pid
    return None
