"""Logs tell what happened, and never what was said or with which key."""

import io
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from api.http.access_log import keep_queries_out_of_logs
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


PATH = f"/stream/s?turn=1&token={SECRET}"


@pytest.mark.parametrize(
    ("name", "line", "details", "expected"),
    [
        (
            "uvicorn.access",
            '%s - "%s %s HTTP/%s" %d',
            ("127.0.0.1:1", "GET", PATH, "1.1", 200),
            '127.0.0.1:1 - "GET /stream/s HTTP/1.1" 200',
        ),
        (
            "uvicorn.error",
            '%s - "WebSocket %s" [accepted]',
            ("127.0.0.1:1", PATH),
            '127.0.0.1:1 - "WebSocket /stream/s" [accepted]',
        ),
    ],
)
def test_the_server_s_logs_have_no_queries(name: str, line: str, details: tuple[object, ...], expected: str) -> None:
    written = io.StringIO()
    logger = logging.getLogger(name)
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        keep_queries_out_of_logs()
        logger.info(line, *details)
    finally:
        logger.removeHandler(handler)
    assert written.getvalue() == f"{expected}\n"
