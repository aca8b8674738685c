"""Sends lines to Redis from a thread of its own, so that whoever says something never waits for it."""

import threading
from collections import deque
from time import monotonic

import structlog
from redis.exceptions import RedisError

from core.telemetry.log_stream.appender import Appender, Line

log = structlog.get_logger()

MOST_BYTES = 16 * 1024 * 1024
"""Wait for Redis at most; beyond that the oldest are lost, and their number is told."""
BATCH_LINES = 500
BATCH_BYTES = 1024 * 1024
"""Redis needs as much memory beside what it keeps."""
LINGER_SECONDS = 0.01
"""For more lines that can go with the first one."""
RETRY_SECONDS = (0.1, 2.0)
"""Pause after the first failure, and the longest; each is twice the one before."""


class LineWriter:
    """`start`, then `put` from any thread, then `stop`."""

    def __init__(self, appender: Appender, most_bytes: int = MOST_BYTES) -> None:
        self._appender = appender
        self._most_bytes = most_bytes
        self._waiting: deque[Line] = deque()
        self._bytes = 0
        self._lost = 0
        """Since the last batch was taken."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-stream", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, channel: str, record: bytes) -> None:
        with self._lock:
            self._waiting.append(Line(channel, record))
            self._bytes += len(record)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._waiting.popleft().record)
                self._lost += 1
        if not self._wake.is_set():
            self._wake.set()

    def stop(self, seconds: float = 2.0) -> None:
        """Waits so long for what is not sent yet."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)
        self._given_up.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._stopping.wait(LINGER_SECONDS)
            self._wake.clear()
            while batch := self._take():
                if not self._send(batch):
                    return
            if self._stopping.is_set():
                self._appender.close()
                return

    def _take(self) -> list[Line]:
        with self._lock:
            self._appender.skip(self._lost)
            self._lost = 0
            batch: list[Line] = []
            size = 0
            while self._waiting and len(batch) < BATCH_LINES and size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].record)
            self._bytes -= size
        return batch

    def _send(self, batch: list[Line]) -> bool:
        """Until they are there. False if nobody waits for that any more."""
        pause, longest = RETRY_SECONDS
        began, is_told = monotonic(), False
        while True:
            try:
                self._appender.append(batch)
            except RedisError as error:
                if not is_told:
                    log.warning("no log stream", action="log_stream.away", error=str(error))
                is_told = True
                if self._given_up.wait(pause):
                    return False
                pause = min(2 * pause, longest)
            else:
                if is_told:
                    log.info("log stream is back", action="log_stream.back", seconds=round(monotonic() - began, 1))
                return True
