"""Lines of Ollama's chat API."""

import json
from typing import Any

import pytest

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish, Told
from core.providers.http.failures import ReportedError
from core.providers.http.reader import ServerEvent
from core.providers.ollama.lines import LineReader, choose_splitter
from tests.unit.providers.http_providing import Ending


def message(**said: Any) -> dict[str, Any]:
    return {"model": "llama3.2", "message": {"role": "assistant", "content": "", **said}, "done": False}


def last(reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {**message(), "done": True, **({} if reason is None else {"done_reason": reason}), **more}


def read(*lines: dict[str, Any], by: LineReader | None = None) -> list[Part]:
    parts: list[Part] = []
    (by or LineReader()).read([ServerEvent(json.dumps(line).encode()) for line in lines], parts)
    return parts


def read_all(*lines: dict[str, Any]) -> tuple[list[Part], Finish | None]:
    parts = read(*lines, by=(reader := LineReader()))
    more, finish = reader.end() or ([], None)
    return parts + more, finish


def test_a_whole_answer() -> None:
    counts: dict[str, Any] = {"prompt_eval_count": 3, "eval_count": 4, "total_duration": 5_000_000}
    parts, finish = read_all(message(thinking="Hm."), message(content="Hel"), message(content="lo"), last(**counts))
    assert parts == [Reasoning("Hm."), Text("Hel"), Text("lo")]
    assert finish == Ending("stop", Told(Usage(3, 4), "llama3.2"))


def test_calls_come_before_a_line_that_does_not_tell_of_them() -> None:
    """All with the index 0."""
    calls = [{"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}]
    others = [{"function": {"index": 0, "name": "g", "arguments": {}}}]
    parts, finish = read_all(message(tool_calls=calls), message(tool_calls=others), last())
    assert isinstance(parts[1], ToolCall)
    assert parts == [ToolCall("a", "f", '{"x":1}'), ToolCall(parts[1].id, "g", "{}")]
    assert parts[1].id.startswith("call_")
    assert finish is not None
    assert finish.reason == "tool_calls"


@pytest.mark.parametrize(("told", "reason"), [("stop", "stop"), ("length", "length"), ("load", "stop"), (None, "stop")])
def test_how_an_answer_ends(told: str | None, reason: str) -> None:
    _, finish = read_all(message(content="a"), last(told))
    assert finish is not None
    assert finish.reason == reason


@pytest.mark.parametrize("told", ["", "unload"])
def test_an_end_that_is_none(told: str) -> None:
    with pytest.raises(ReportedError) as raised:
        read_all(message(content="a"), last(told))
    assert raised.value.error.is_passing


def test_a_stream_without_its_last_line_has_no_end() -> None:
    """It stops so when the model repeats itself."""
    assert read_all(message(content="a")) == ([Text("a")], None)


def test_an_error_among_the_lines() -> None:
    with pytest.raises(ReportedError, match="an error was encountered"):
        read(message(content="a"), {"error": "an error was encountered while running the model"})


@pytest.mark.parametrize(
    "line", [{}, {"message": {"content": 7}}, {"message": {"tool_calls": [None, 7, {"function": {"name": 7}}]}}]
)
def test_an_odd_line_says_nothing(line: dict[str, Any]) -> None:
    assert read(line) == []


def test_lines_are_cut_anywhere() -> None:
    splitter = choose_splitter(b"{")
    assert splitter is not None
    raw = json.dumps(message(content="é 🫖"), ensure_ascii=False).encode() + b"\r\n\n"
    events = [event for byte in raw for event in splitter.feed(bytes([byte]))]
    events += splitter.feed(json.dumps(last()).encode(), is_last=True)
    reader, parts = LineReader(), list[Part]()
    reader.read(events, parts)
    assert parts == [Text("é 🫖")]
    assert reader.is_done


def test_an_error_in_another_s_shape() -> None:
    with pytest.raises(ReportedError, match="Not Found"):
        read({"detail": "Not Found"})
