"""What a process sends of its own log lines: all of them, each on its channel, with everything that it says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from core.settings import Settings
from core.telemetry import logs
from core.telemetry.log_stream import process


class Sent:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def put(self, channel: str, record: bytes) -> None:
        self.lines.append((channel, json.loads(record)))


@pytest.fixture(params=["console", "json"])
def sent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    sent = Sent()
    monkeypatch.setattr(process, "_put", lambda url, most: sent.put)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    settings = Settings(log_stream="redis://nowhere/0", log_format=request.param)
    logs.configure_logs(settings, "api", io.StringIO())
    yield sent
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


def test_a_line_of_ours(sent: Sent) -> None:
    structlog.get_logger().info("turn ended", action="turn.ended", session_id="s1", turn=2)
    [(channel, record)] = sent.lines
    assert (channel, record["level"], record["service"], record["message"]) == ("logs", "info", "api", "turn ended")
    assert record["fields"].items() >= {"action": "turn.ended", "session_id": "s1", "turn": 2}.items()
    assert record["fields"]["process"].startswith("api-")
    assert record["time"].endswith("Z")


def test_a_line_of_a_library(sent: Sent) -> None:
    logging.getLogger("some.library").warning("it is %s", "late")
    [(channel, record)] = sent.lines
    assert (channel, record["level"], record["message"]) == ("logs", "warning", "it is late")


def test_an_error_has_its_trace_and_its_channel(sent: Sent) -> None:
    for say in (structlog.get_logger().exception, logging.getLogger("x").exception):
        try:
            _break()
        except ValueError:
            say("it failed")
    assert [channel for channel, _ in sent.lines] == ["logs:errors"] * 2
    for _, record in sent.lines:
        assert record["level"] == "error"
        assert record["message"].startswith("it failed\nTraceback (most recent call last):\n")
        assert record["message"].endswith("ValueError: broken")


def _break() -> None:
    raise ValueError("broken")


def test_what_is_not_logged_is_not_sent(sent: Sent) -> None:
    structlog.get_logger().debug("no")
    logging.getLogger("x").debug("no")
    assert sent.lines == []


def test_what_json_has_no_word_for_is_sent_as_text(sent: Sent) -> None:
    structlog.get_logger().info("x", thing=Settings, number=1 << 70)
    assert "Settings" in sent.lines[0][1]["fields"]["thing"]


def test_without_a_stream_nothing_is_sent(settings: Settings) -> None:
    assert process.put_of_process(settings) is None
