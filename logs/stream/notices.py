"""What this service itself has to say in the stream: that lines are lost, and how many."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from time import time
from typing import Any

from core.telemetry.log_stream.appender import Line
from core.telemetry.log_stream.record import LINES, Level, Record, encode_record, timestamp
from logs.stream.hearing import Hearing
from logs.stream.leadership import LeaderAppender
from logs.stream.line import StreamLine
from logs.stream.others import OthersLines

SERVICE = "llm-streamer-gateway"
PAUSE_SECONDS = 1.0


def notice(text: str, level: Level, **fields: Any) -> Line:
    return Line(LINES, encode_record(Record(timestamp(time()), SERVICE, text, level, fields)))


def lines_in_words(lines: int) -> str:
    return f"{lines} line{'' if lines == 1 else 's'}"


class LossNotices:
    """Told of losses at any time; the leader says them."""

    def __init__(self, others: OthersLines, hearing: Hearing) -> None:
        self._others = others
        self._hearing = hearing
        self._lost: Counter[tuple[str, str]] = Counter()
        """Not told in the stream yet."""
        self._said: Counter[tuple[str, str]] = Counter()
        """Of these, on their way there."""
        self.lost_lines = 0
        """In all, as far as they can be counted."""

    def on_lost(self, line: StreamLine, lines: int) -> None:
        """So many lines of its writer are missing before this one."""
        self._lost[line.record.service, line.writer] += lines
        self.lost_lines += lines

    def saw(self, lines: Sequence[StreamLine]) -> None:
        """What is told in the stream, by whichever gateway leads, is told."""
        for line in lines:
            if not line.mark and line.record.service == SERVICE and (lost := line.record.fields.get("lost")):
                writer = line.record.fields.get("writer")
                for key in [key for key in self._lost if key[1] == writer]:
                    self._lost[key] -= lost
                    self._said[key] = max(0, self._said[key] - lost)

    async def lead(self, appender: LeaderAppender) -> None:
        while True:
            if notices := [*self._losses(), *self._unheard()]:
                await appender.append(notices)
            await asyncio.sleep(PAUSE_SECONDS)

    def _losses(self) -> list[Line]:
        notices = []
        for key in [key for key, lost in self._lost.items() if lost <= 0]:
            del self._lost[key], self._said[key]
        for key, lost in self._lost.items():
            if (lines := lost - self._said[key]) > 0:
                service, writer = key
                text = f"{lines_in_words(lines)} of {service} lost: Redis was away for too long, or has lost them"
                notices.append(notice(text, "warning", lost=lines, writer=writer))
                self._said[key] += lines
        return notices

    def _unheard(self) -> list[Line]:
        notices = []
        for missed, seconds in self._hearing.take_unheard():
            much = "what others published" if missed is None else f"{lines_in_words(missed)} that others published"
            self.lost_lines += missed or 0
            text = f"{much} while no dashboard listened, for {seconds:.1f} s, lost"
            notices.append(notice(text, "warning", lost=missed, seconds=round(seconds, 1)))
        if dropped := self._others.take_dropped():
            self.lost_lines += dropped
            notices.append(
                notice(
                    f"{lines_in_words(dropped)} that others published lost: too many at once", "warning", lost=dropped
                )
            )
        return notices
