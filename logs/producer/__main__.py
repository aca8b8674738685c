"""`python -m logs.producer`: says what a model's service might say, so that the dashboard has something to show."""

import argparse
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time

import structlog

from core.settings import get_settings
from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.record import Record, encode_record, timestamp
from core.telemetry.log_stream.writer import LineWriter
from core.telemetry.logs import configure_logs
from logs.producer.messages import Message, from_file, simulated

log = structlog.get_logger()

SERVICE = "llm-streamer-producer"
TICK_SECONDS = 0.01
"""Quicker rates come several lines at a time."""
MOST_RATE = 100_000


def main() -> None:
    arguments = _arguments()
    settings = get_settings()
    configure_logs(settings, "producer")
    chance = random.Random()  # noqa: S311 - what it decides is not secret
    say: Callable[[], Message] = lambda: simulated(chance)  # noqa: E731
    if arguments.messages is not None:
        lines = _read(arguments.messages)
        say = lambda: from_file(lines, chance)  # noqa: E731
    writer = LineWriter(Appender(settings.redis_url.get_secret_value(), settings.log_stream_lines))
    writer.start()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    log.info("producing", action="producer.start", rate=arguments.rate)
    produced = _produce(writer, say, arguments.rate, arguments.lines, stopping)
    writer.stop()
    log.info("stopped", action="producer.stop", lines=produced)


def _produce(
    writer: LineWriter, say: Callable[[], Message], rate: float, most: int | None, stopping: threading.Event
) -> int:
    """How many lines were said. Each has its number and who said it: a reader can count what is missing."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    begun, number = monotonic(), 0
    while not stopping.is_set() and number != most:
        due = int((monotonic() - begun) * rate) + 1
        if most is not None:
            due = min(due, most)
        for number in range(number + 1, due + 1):  # noqa: B020 - goes on where it was
            message = say()
            fields = {**message.fields, "producer": name, "number": number}
            record = Record(timestamp(time()), SERVICE, message.text, message.level, fields)
            writer.put(message.channel, encode_record(record))
        stopping.wait(max(TICK_SECONDS, begun + number / rate - monotonic()))
    return number


def _read(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"--messages: {error}")
    return [line for line in lines if line and not line.startswith("#")] or sys.exit(f"--messages: {file} has none")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m logs.producer", description=__doc__)
    parser.add_argument("--rate", type=_rate, default=2.0, help="lines a second (2)")
    parser.add_argument("--lines", type=int, help="stop after so many")
    parser.add_argument("--messages", type=Path, help="a file of what to say, a message on each line")
    return parser.parse_args()


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= MOST_RATE:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most {MOST_RATE}")
    return rate


if __name__ == "__main__":
    main()
