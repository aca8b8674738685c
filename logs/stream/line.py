"""A line as it stands in the stream."""

from functools import cached_property
from typing import NamedTuple

import msgspec

from core.telemetry.log_stream.record import Record, encode_record, timestamp

_decoder = msgspec.json.Decoder(Record)


LATEST_MS = 253_370_764_800_000
"""The year 9999: what is later is no time."""


class LineId(NamedTuple):
    """`<milliseconds>-<number>`: when Redis got it, and which of all lines it is. Ordered as the lines are."""

    ms: int
    number: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> "LineId":
        """Raises ValueError."""
        ms, dash, number = text.partition("-")
        if dash and ms.isascii() and ms.isdigit() and number.isascii() and number.isdigit() and len(text) <= 40:
            line_id = cls(int(ms), int(number))
            if line_id.ms <= LATEST_MS and line_id.number < 1 << 63:
                return line_id
        raise ValueError("must be the id of a line, such as 1764449999123-4711")

    def next(self) -> "LineId":
        """Less than those of all later lines."""
        return LineId(self.ms, self.number + 1)

    def lines_until(self, later: "LineId") -> int | None:
        """How many are between the two; None where nobody knows, because Redis has begun to count anew."""
        return later.number - self.number - 1 if later.number > self.number else None


FIRST = LineId(0, 0)


class StreamLine:
    def __init__(
        self, line_id: LineId, channel: str, data: bytes, writer: str = "", number: int = 0, mark: str = ""
    ) -> None:
        """`data`: the record, encoded. `number`: which of its writer's lines it is."""
        self.id = line_id
        self.channel = channel
        self.data = data
        self.writer = writer
        self.number = number
        self.mark = mark

    @classmethod
    def from_entry(cls, entry: tuple[bytes, dict[bytes, bytes]]) -> "StreamLine":
        """Raises ValueError or KeyError for one that none of ours has written. A record that cannot be read becomes the
        text of another: what is no JSON would break whatever shows it."""
        line_id, fields = entry
        line = cls(
            LineId.parse(str(line_id, "ascii")),
            str(fields[b"channel"], "utf-8"),
            fields[b"record"],
            str(fields[b"writer"], "ascii"),
            int(fields[b"number"]),
            str(fields[b"mark"], "ascii"),
        )
        try:
            line.record = _decoder.decode(line.data)
        except (msgspec.DecodeError, RecursionError):
            line.record = Record(timestamp(line.id.ms / 1000), "", str(line.data, "utf-8", "replace"))
            line.data = encode_record(line.record)
        if b"\n" in line.data or b"\r" in line.data:  # between its members, where an event of a stream would end
            line.data = encode_record(line.record)
        return line

    @cached_property
    def record(self) -> Record:
        return _decoder.decode(self.data)

    @cached_property
    def json(self) -> bytes:
        """As clients get it: with id and channel."""
        via = b',"via":"publish"' if self.mark else b""
        channel = msgspec.json.encode(self.channel)
        return b'{"id":"%s","channel":%s%s,%s' % (str(self.id).encode(), channel, via, self.data[1:])

    @cached_property
    def frame(self) -> bytes:
        """A Server-Sent Event."""
        return b"id: %s\ndata: %s\n\n" % (str(self.id).encode(), self.json)
