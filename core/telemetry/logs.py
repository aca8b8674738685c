"""Structured logs: an `action` on every line, the ids of what it is about, never a message's text or a key."""

import logging
import sys
from typing import TextIO

import structlog

from core.settings import Settings

NOISY = {
    "aiormq": logging.ERROR,
    "aio_pika": logging.ERROR,
    "httpx2": logging.WARNING,  # the openai SDK's
    "alembic": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,  # each job received
    "celery.app.trace": logging.WARNING,  # each job done
}
"""Libraries whose own reports double what we log ourselves, or that tell too much."""


def configure_logs(settings: Settings, stream: TextIO = sys.stderr) -> None:
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
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
    for name, least in NOISY.items():
        logging.getLogger(name).setLevel(max(level, least))
