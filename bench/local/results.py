"""What was measured."""

import msgspec

from bench.local.keys import LongRun
from bench.local.stream import Stream
from bench.local.throughput import Throughput


class Results(msgspec.Struct):
    model: str
    device: str
    context: int
    throughput: list[Throughput] | None = None
    stream: Stream | None = None
    keys: LongRun | None = None
