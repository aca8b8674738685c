"""Logs: one line each, with an action and ids, as JSON or for people."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from core.process_id import process_id
from core.settings import Settings
from core.telemetry.logs import configure_logs


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_json_lines_carry_what_machines_ask_for() -> None:
    output = io.StringIO()
    configure_logs(Settings(log_format="json"), "api", output)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("turn accepted", action="chat.ask", session_id="s", turn=1)
        logging.getLogger("uvicorn.error").warning("from a library")
    ours, library = map(json.loads, output.getvalue().splitlines())
    assert ours.pop("timestamp").endswith("Z")
    assert library["process"] == ours.pop("process") == process_id("api")
    assert library["service"] == ours.pop("service") == "api"
    assert ours == {
        "event": "turn accepted",
        "level": "info",
        "action": "chat.ask",
        "session_id": "s",
        "turn": 1,
        "request_id": "r1",
    }
    assert (library["event"], library["level"], library["request_id"]) == ("from a library", "warning", "r1")


def test_an_exception_is_one_json_line() -> None:
    output = io.StringIO()
    configure_logs(Settings(log_format="json"), "api", output)
    structlog.get_logger().error("broke", action="x", exc_info=ValueError("why"))
    (line,) = output.getvalue().splitlines()
    assert "ValueError: why" in json.loads(line)["exception"]


def test_the_level_holds_for_us_and_for_libraries() -> None:
    output = io.StringIO()
    configure_logs(Settings(log_level="error"), "api", output)
    structlog.get_logger().warning("quiet", action="x")
    logging.getLogger("any").warning("quiet")
    structlog.get_logger().error("loud", action="x")
    assert output.getvalue().count("\n") == 1
    assert "loud" in output.getvalue()


def test_a_library_that_repeats_what_we_say_is_silent() -> None:
    output = io.StringIO()
    configure_logs(Settings(log_level="debug"), "api", output)
    logging.getLogger("aiormq.connection").warning("connection lost")
    logging.getLogger("httpx2").info("POST https://api.example/v1 200")
    assert output.getvalue() == ""


def test_the_servers_own_lines_are_written_like_ours_unless_it_is_silent() -> None:
    server, access = logging.getLogger("uvicorn"), logging.getLogger("uvicorn.access")
    before = [(logger, logger.handlers[:], logger.propagate) for logger in (server, access)]
    server.handlers[:], server.propagate = [logging.NullHandler()], False
    access.handlers[:], access.propagate = [], False
    output = io.StringIO()
    try:
        configure_logs(Settings(log_format="json"), "api", output)
        logging.getLogger("uvicorn.error").info("started")
        access.info("GET /")
    finally:
        for logger, handlers, propagate in before:
            logger.handlers[:], logger.propagate = handlers, propagate
    (line,) = map(json.loads, output.getvalue().splitlines())
    assert (line["event"], line["service"]) == ("started", "api")
