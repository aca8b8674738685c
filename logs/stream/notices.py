"""What this service itself has to say in the stream: that lines are lost, and how many."""

import asyncio
from collections import Counter
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
        self.lost_lines = 0
        """In all, as far as they can be counted."""

    def on_lost(self, line: StreamLine, lines: int) -> None:
        """So many lines of its writer are missing before this one."""
        self._lost[line.record.service, line.writer] += lines
        self.lost_lines += lines

    async def lead(self, appender: LeaderAppender) -> None:
        while True:
            if notices := self._take():
                await appender.append(notices)
            await asyncio.sleep(PAUSE_SECONDS)

    def _take(self) -> list[Line]:
        notices = []
        for (service, writer), lines in self._lost.items():
            text = f"{lines_in_words(lines)} of {service} lost: Redis was away for too long, or has lost them"
            notices.append(notice(text, "warning", lost=lines, writer=writer))
        self._lost.clear()
        for missed, seconds in self._hearing.take_unheard():
            much = "what others published" if missed is None else f"{lines_in_words(missed)} that others published"
            self.lost_lines += missed or 0
            text = f"{much} while no dashboard listened, for {seconds:.1f} s, lost"
            notices.append(notice(text, "warning", lost=missed, seconds=round(seconds, 1)))
        if dropped := self._others.take_dropped():
            self.lost_lines += dropped
            notices.append(
                notice(f"{dropped} lines that others published were too many and are lost", "warning", lost=dropped)
            )
        return notices
