"""Puts lines into the stream, each once, however often they have to be sent."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.telemetry.log_stream.redis_stream import COUNTERS, LEADER, POSITIONS, STREAM, WRITERS, connect

_SCRIPT = Path(__file__).with_name("append.lua").read_text(encoding="utf-8")
_NOT_LEADER = b"not leader"


class Line(NamedTuple):
    channel: str
    record: bytes
    """Encoded."""
    mark: str = ""
    """By which one knows a line that came by PUBLISH."""


class NotLeader(Exception):
    """Another gateway leads by now; nothing was appended."""


class Appender:
    """One writer. Its lines are numbered: by that Redis passes over what it has already, and readers find what is lost.

    Not for two threads at once.
    """

    def __init__(self, url: str, most_lines: int, leader: str = "") -> None:
        """`most_lines`: so many stay in the stream, about. `leader`: the token of the leading gateway; only as long as
        it leads its lines are taken."""
        self._redis = connect(url)
        self._append = self._redis.register_script(_SCRIPT)
        self._most_lines = most_lines
        self._leader = leader
        self._next = 1
        self.name = secrets.token_hex(6)

    def append(self, lines: Sequence[Line], positions: Mapping[str, str] | None = None) -> str:
        """Returns the id of the last one. `positions`: how far each source has been read, kept together with the lines.

        Raises RedisError if nobody knows whether they arrived: then give them again, the first of them first. Raises
        NotLeader.
        """
        arguments: list[str | int | bytes] = [self._most_lines, self.name, self._next, len(lines), self._leader]
        for line in lines:
            arguments += line
        for position in (positions or {}).items():
            arguments += position
        answer = self._append(keys=[STREAM, COUNTERS, WRITERS, POSITIONS, LEADER], args=arguments)
        if answer == _NOT_LEADER:
            raise NotLeader
        self._next += len(lines)
        return str(answer, "ascii")

    def skip(self, lines: int) -> None:
        """So many are lost: the next one's number tells it."""
        self._next += lines

    def close(self) -> None:
        self._redis.close()
