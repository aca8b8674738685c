"""The one writer of this process, for all that it has to say."""

import atexit
from functools import cache

from core.settings import Settings
from core.telemetry.log_stream.record import Put


def put_of_process(settings: Settings) -> Put | None:
    """None without LOG_STREAM."""
    if settings.log_stream is None:
        return None
    return _put(settings.log_stream.get_secret_value(), settings.log_stream_lines)


@cache
def _put(url: str, most_lines: int) -> Put:
    # Redis' client takes 30 ms and some memory, which nobody shall pay who sends nothing.
    from core.telemetry.log_stream.appender import Appender
    from core.telemetry.log_stream.writer import LineWriter

    writer = LineWriter(Appender(url, most_lines))
    writer.start()
    atexit.register(writer.stop)
    return writer.put
