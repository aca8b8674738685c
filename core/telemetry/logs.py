"""Structured logs: an `action` on every line of ours, which process of which service it is from, and the ids of what it
is about; never a message's text or a key."""

import logging
import sys
from typing import TextIO

import structlog

from core.process_id import process_id
from core.settings import Settings
from core.telemetry.log_stream.process import put_of_process
from core.telemetry.log_stream.tap import LogTap

NOISY = {
    "aiormq": logging.ERROR,
    "aio_pika": logging.ERROR,
    "httpx": logging.WARNING,  # SDKs'
    "httpx2": logging.WARNING,
    "google_genai": logging.WARNING,
    "alembic": logging.WARNING,
    "mcp": logging.CRITICAL,  # results that it cannot read, word for word
    "client": logging.CRITICAL,  # of the same package
    "celery.worker.strategy": logging.WARNING,  # each job received
    "celery.app.trace": logging.WARNING,  # each job done
}
"""Libraries whose own reports double what we log ourselves, or that tell too much."""


def configure_logs(settings: Settings, service: str, stream: TextIO = sys.stderr) -> None:
    """`service` is the name that its lines carry: api, worker, logs, collector, …"""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _Origin(service),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if (put := put_of_process(settings)) is not None:
        shared.append(LogTap(put))
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # rich's shows local variables: keys and messages
        )
    )
    errors = [structlog.processors.format_exc_info] if settings.log_format == "json" else []
    # Our own lines go straight to the stream: the way through logging costs five times as much.
    structlog.configure(
        processors=[*shared, *errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *errors, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        if logger.handlers:  # none where it was told to be silent
            logger.handlers[:] = []
            logger.propagate = True
    for name, least in NOISY.items():
        logging.getLogger(name).setLevel(max(level, least))


class _Origin:
    """Says on every line, those of libraries too, where it is from; the process under its name in the store."""

    def __init__(self, service: str) -> None:
        self._fields = {"service": service, "process": process_id(service)}

    def __call__(self, _: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        line.update(self._fields)
        return line
