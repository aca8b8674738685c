"""Events of Anthropic's messages, as the service and others that speak its wire send them."""

import json
from typing import Any

import pytest

from core.model.events import Usage
from core.model.parts import Opaque, Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun
from core.providers.anthropic.events import REDACTED, SIGNATURE, EventReader
from core.providers.base import Finish, Told
from core.providers.http.failures import ReportedError
from core.providers.http.reader import ServerEvent
from tests.unit.providers.http_providing import Ending

END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": said}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def read(*events: dict[str, Any], by: EventReader | None = None) -> list[Part]:
    parts: list[Part] = []
    (by or EventReader()).read([ServerEvent(json.dumps(event).encode()) for event in events], parts)
    return parts


def read_all(*events: dict[str, Any]) -> tuple[list[Part], Finish | None]:
    parts = read(*events, by=(reader := EventReader()))
    more, finish = reader.end() or ([], None)
    return parts + more, finish


def test_a_whole_answer() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}
    begin = {"type": "message_start", "message": {"model": "claude-x-1", "content": [], "usage": usage}}
    parts, finish = read_all(
        begin,
        start(0, type="thinking", thinking="", signature=""),
        {"type": "ping"},
        delta(0, type="thinking_delta", thinking="Hm."),
        delta(0, type="signature_delta", signature="c2ln"),
        stop(0),
        start(1, type="redacted_thinking", data="c2VjcmV0"),
        stop(1),
        start(2, type="text", text="He"),
        delta(2, type="text_delta", text="llo"),
        delta(2, type="citations_delta", citation={}),
        stop(2),
        {"type": "of a later version", "delta": {"type": "text_delta", "text": "no"}},
        END,
        {"type": "message_stop"},
        delta(2, type="text_delta", text="nothing counts after the end"),
    )
    assert parts == [Reasoning("Hm."), Opaque(SIGNATURE, "c2ln"), Opaque(REDACTED, "c2VjcmV0"), Text("He"), Text("llo")]
    assert finish == Ending("stop", Told(Usage(100, 7), "claude-x-1"))


def test_calls_side_by_side_are_told_apart_by_their_blocks() -> None:
    parts, finish = read_all(
        start(1, type="tool_use", id="a", name="f", input={}),
        start(2, type="tool_use", id="b", name="g", input={}),
        delta(2, type="input_json_delta", partial_json='{"y"'),
        delta(1, type="input_json_delta", partial_json=""),
        delta(1, type="input_json_delta", partial_json='{"x":1}'),
        delta(2, type="input_json_delta", partial_json=":2}"),
        stop(1),
        stop(2),
        start(3, type="tool_use", id="c", name="h", input={}),
        stop(3),
        start(4, type="tool_use", id="d", name="i", input={"z": 3}),
        start(5, type="tool_use", id="e", name="j", input={"x": 1}),
        delta(5, type="input_json_delta", partial_json='{"x":1}'),
        {**END, "delta": {"stop_reason": "tool_use"}},
    )
    assert parts == [
        ToolCallBegun("a", "f"),
        ToolCallBegun("b", "g"),
        ToolArguments('{"y"', 1),
        ToolArguments('{"x":1}', 0),
        ToolArguments(":2}", 1),
        ToolCallBegun("c", "h"),
        ToolArguments("{}", 2),
        ToolCallBegun("d", "i"),
        ToolCallBegun("e", "j"),
        ToolArguments('{"x":1}', 4),
        ToolArguments('{"z":3}', 3),
    ]
    assert finish is not None
    assert finish.reason == "tool_calls"


def test_a_block_that_begins_before_the_one_before_it_ends() -> None:
    """As llama.cpp does it: the signature of a thought comes after the text."""
    parts = read(
        start(0, type="thinking", thinking=""),
        delta(0, type="thinking_delta", thinking="Hm."),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="Yes."),
        delta(0, type="signature_delta", signature=""),
        stop(0),
        stop(1),
    )
    assert parts == [Reasoning("Hm."), Text("Yes.")]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_how_an_answer_ends(told: str, reason: str) -> None:
    _, finish = read_all({"type": "message_delta", "delta": {"stop_reason": told}, "usage": {}})
    assert finish == Ending(reason)


def test_a_refusal_is_explained() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "I will not."}
    parts, _ = read_all({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}})
    assert parts == [Refusal("I will not.")]


def test_counts_are_those_of_all_so_far() -> None:
    reader = EventReader()
    read({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}, by=reader)
    assert reader.told.usage == Usage(9, 1)
    for count in (5, 12):
        read({"type": "message_delta", "delta": {}, "usage": {"output_tokens": count}}, by=reader)
        assert reader.told.usage == Usage(9, count)
    read({"type": "message_delta", "delta": {}, "usage": {"output_tokens": -1, "input_tokens": "9"}}, by=reader)
    assert reader.told.usage == Usage(9, 12)


@pytest.mark.parametrize(
    ("kind", "is_passing"),
    [
        ("overloaded_error", True),
        ("rate_limit_error", True),
        ("api_error", True),
        ("timeout_error", True),
        ("invalid_request_error", False),
        ("authentication_error", False),
        ("billing_error", False),
        ("permission_error", False),
        ("not_found_error", False),
        ("request_too_large", False),
    ],
)
def test_an_error_in_the_stream_passes_or_does_not(kind: str, is_passing: bool) -> None:
    """By its type: its status is 200."""
    with pytest.raises(ReportedError, match="words") as raised:
        read({"type": "error", "error": {"type": kind, "message": "words"}, "request_id": "r"})
    assert raised.value.error.is_passing is is_passing


def test_a_message_that_comes_whole() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    ]
    usage = {"input_tokens": 3, "output_tokens": 4}
    message = {"type": "message", "model": "m", "content": content, "stop_reason": "tool_use", "usage": usage}
    assert read_all(message) == (
        [Reasoning("Hm."), Opaque(SIGNATURE, "s"), Text("Hello"), ToolCallBegun("a", "f"), ToolArguments('{"x":1}', 0)],
        Ending("tool_calls", Told(Usage(3, 4), "m")),
    )


def test_a_stream_without_its_last_event_is_whole_once_the_reason_is_told() -> None:
    reader = EventReader()
    read(delta(0, type="text_delta", text="a"), by=reader)
    assert (reader.end(), reader.is_finished) == (None, False)
    read(END, by=reader)
    assert (reader.is_done, reader.is_finished) == (False, True)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": None, "delta": {"type": "text_delta", "text": 7}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": 7, "name": None}},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_stop", "index": []},
        {"type": "content_block_delta", "index": {}, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "message_start"},
        {"type": "message_delta"},
        {"type": 7},
        {},
    ],
)
def test_an_odd_event_says_nothing(event: dict[str, Any]) -> None:
    assert read(event) == []


def test_what_no_database_takes_is_replaced() -> None:
    assert read(delta(0, type="text_delta", text="a\0b")) == [Text("a\ufffdb")]
    broken = EventReader()
    parts: list[Part] = []
    raw = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}'
    broken.read([ServerEvent(raw)], parts)
    assert parts == [Text("a\ufffd")]


def test_an_error_in_another_s_shape() -> None:
    with pytest.raises(ReportedError, match="Not Found"):
        read({"detail": "Not Found"})
