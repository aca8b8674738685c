"""What happens to each line of a source, whichever it is: limited, joined, parsed, sent."""

import asyncio
from collections.abc import Mapping

from core.telemetry.log_stream.appender import Line as Sent
from core.telemetry.log_stream.record import METRICS, Level, Record, channel_of, encode_record, timestamp
from logs.collector.sender import Sender
from logs.records.joining import Line
from logs.records.parsing import parse_line
from logs.records.tokens import figures_in
from logs.records.traces import SILENCE_SECONDS, TraceJoiner

TELL_SECONDS = 1.0
"""Of dropped lines, at most so often."""


class Bucket:
    """Lets so many through each second of the lines' own time: what is read late, all at once, is not too much."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._at = 0.0

    def take(self, at: float) -> bool:
        if at > self._at:
            self._left = min(self._per_second, self._left + (at - self._at) * self._per_second)
            self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Intake:
    """Of one stream of lines, which keep their order."""

    def __init__(
        self,
        sender: Sender,
        source: str,
        service: str,
        fields: Mapping[str, str],
        *,
        bucket: Bucket | None = None,
        is_service_sure: bool = True,
    ) -> None:
        """`source`: the name under which its place is kept. `fields`: are added to each line. `bucket`: for lines that
        tell when they were written. `is_service_sure`: a line that names another service does not change it."""
        self._sender = sender
        self._source = source
        self._service = service
        self._fields = dict(fields)
        self._bucket = bucket
        self._is_service_sure = is_service_sure
        self._joiner = TraceJoiner()
        self._dropped = 0
        self._dropped_from = 0.0
        """When the first one of them was written."""
        self._latest: Line | None = None
        """Sent, held or dropped."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def take(self, line: Line) -> None:
        self._at = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(SILENCE_SECONDS, self._on_silence)
        at = line.arrived if line.said is None else line.said
        if self._dropped and at >= self._dropped_from + TELL_SECONDS:
            self._tell_dropped()
        self._latest = line
        if self._bucket is not None and not self._bucket.take(at):
            self._dropped_from = self._dropped_from if self._dropped else at
            self._dropped += 1
            return
        if (before := self._joiner.add(line)) is not None:
            self._send(before)

    def say(self, message: str, level: Level, line: Line, **fields: object) -> None:
        """A line of the collector's own about the source; `line` is where it belongs."""
        self.flush()
        seconds = line.arrived if line.said is None else line.said
        record = Record(timestamp(seconds), self._service, message, level, self._fields | fields)
        self._sender.put([Sent(channel_of(level), encode_record(record))], self._source, line.place)

    def flush(self) -> None:
        """What is held back is whole."""
        if (held := self._joiner.flush()) is not None:
            self._send(held)

    def close(self) -> None:
        self.flush()
        self._tell_dropped()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_silence(self) -> None:
        rest = self._at + SILENCE_SECONDS - self._loop.time()
        if rest > 0.001:
            self._timer = self._loop.call_later(rest, self._on_silence)
            return
        self._timer = None
        self.flush()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        if not self._dropped or self._latest is None:
            return
        dropped, self._dropped = self._dropped, 0
        text = f"{dropped} lines were dropped: too many in too short a time"
        self.say(text, "warning", self._latest, dropped=dropped)

    def _send(self, line: Line) -> None:
        record = parse_line(line.text, self._service, arrived=line.arrived, said=line.said, cut=line.cut)
        figures = figures_in(record)
        for each in (record,) if figures is None else (record, figures):
            if self._is_service_sure and each.service != self._service:
                each.fields = each.fields | {"service": each.service}
                each.service = self._service
            each.fields = each.fields | self._fields
        lines = [Sent(channel_of(record.level), encode_record(record))]
        if figures is not None:
            lines.append(Sent(METRICS, encode_record(figures)))
        self._sender.put(lines, self._source, line.place)
