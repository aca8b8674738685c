"""Logs tell what happened, and never what was said or with which key."""

import io
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from api.http.access_log import keep_tokens_out_of_access_log
from core.settings import Settings
from core.telemetry.logs import configure_logs

SECRET = "what-nobody-may-read"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_local_variables(log_format: Literal["console", "json"]) -> None:
    written = io.StringIO()
    configure_logs(Settings(log_format=log_format), "api", written)

    def fail(message: str) -> None:
        raise LookupError(f"{len(message)} characters")

    try:
        fail(SECRET)
    except LookupError as error:
        structlog.get_logger().error("it failed", action="test.failed", exc_info=error)
    assert "LookupError: 20 characters" in written.getvalue()
    assert "Traceback" in written.getvalue()
    assert SECRET not in written.getvalue()


def test_the_access_log_has_no_token() -> None:
    written = io.StringIO()
    logger = logging.getLogger("uvicorn.access")
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        keep_tokens_out_of_access_log()
        for path in (f"/stream/s?token={SECRET}", f"/stream/s?turn=1&token={SECRET}&last_event_id=1.1.4"):
            logger.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", path, "1.1", 200)
    finally:
        logger.removeHandler(handler)
    lines = written.getvalue().splitlines()
    assert SECRET not in written.getvalue()
    assert lines[0].endswith('"GET /stream/s?token=*** HTTP/1.1" 200')
    assert "turn=1&token=***&last_event_id=1.1.4" in lines[1]
