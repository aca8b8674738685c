"""What comes from a service that is nearly OpenAI's: odd chunks, half characters, errors in the middle."""

import json
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from core.model.parts import Part, Reasoning, Text
from core.providers.http.failures import ReportedError, Unreadable
from core.providers.http.reader import MAX_UNREADABLE_EVENTS, ServerEvent
from core.providers.openai.chunks import ChunkReader
from tests.unit.providers.http_providing import Ending
from tests.unit.providers.openai_chunks import delta, read, read_all


@pytest.mark.parametrize("chunk", [b"{}", b'{"choices":null}', b'{"choices":[{"delta":null}]}', b'{"choices":[{}]}'])
def test_a_chunk_that_says_nothing(chunk: bytes) -> None:
    assert read(chunk) == []


@pytest.mark.parametrize("data", [b"", b" ", b"\n", b"\t\n "])
def test_an_event_without_data_is_none(data: bytes) -> None:
    reader = ChunkReader()
    assert read(delta(content="a"), *[data] * (MAX_UNREADABLE_EVENTS + 1), delta(content="b"), by=reader) == [
        Text("a"),
        Text("b"),
    ]


NONSENSE = [
    b"<html>",
    b"[1]",
    b"7",
    b'"text"',
    b"null",
    b'{"choices":{}}',
    b'{"choices":[{"delta":"text"}]}',
    b'{"choices":[{"delta":{"content":7}}]}',
    b'{"choices":[{"del',
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"usage": 1' + b"0" * 10_000 + b"}",
]


@pytest.mark.parametrize("data", NONSENSE, ids=range(len(NONSENSE)))
def test_what_is_no_chunk_is_passed_over_and_counted(data: bytes) -> None:
    with capture_logs() as logs:
        assert read_all(delta(content="a"), data, delta(content="b")) == ([Text("a"), Text("b")], Ending("stop"))
    assert [(line["action"], line["count"]) for line in logs] == [("provider.unreadable_event", 1)]


def test_too_much_that_is_no_chunk_is_no_answer() -> None:
    reader, parts = ChunkReader(), list[Part]()
    reader.read([ServerEvent(delta(content="a")), *[ServerEvent(b"{")] * MAX_UNREADABLE_EVENTS], parts)
    with pytest.raises(Unreadable):
        reader.read([ServerEvent(delta(content="b")), ServerEvent(b"{")], parts)
    assert parts == [Text("a"), Text("b")]


@pytest.mark.parametrize(
    "extra",
    [
        {"usage": "much"},
        {"usage": [1]},
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"model": 7, "id": None, "created": "now", "object": [], "system_fingerprint": {}},
        {"timings": {"predicted_ms": 1e400}},
        {"unknown": [[{}]]},
    ],
)
def test_an_odd_extra_costs_no_text(extra: dict[str, Any]) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}], **extra}
    assert read(json.dumps(chunk).encode()) == [Text("a")]


@pytest.mark.parametrize(
    "extra",
    [
        {"tool_calls": "none"},
        {"tool_calls": [None, 7, {}]},
        {"tool_calls": {}},
        {"function_call": 7},
        {"refusal": 7},
        {"reasoning": {}},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
        {"role": 7, "audio": None, "annotations": [{}]},
    ],
)
def test_an_odd_extra_of_a_delta_costs_no_text(extra: dict[str, Any]) -> None:
    assert read_all(delta(content="a", **extra)) == ([Text("a")], Ending("stop"))


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    half = rb'{"choices":[{"delta":{"content":"a\ud83d b\u00e9"}}]}'
    assert read(half) == [Text("a\ufffd bé")]
    whole = rb'{"choices":[{"delta":{"content":"\ud83d\ude00"}}]}'
    assert read(whole) == [Text("😀")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"error":{"message":"overloaded","code":502}}', "overloaded"),
        (b'{"error":"overloaded"}', "overloaded"),
        (b'{"object":"error","message":"overloaded","type":"BadRequestError","code":400}', "overloaded"),
        (b'{"message":"overloaded"}', "overloaded"),
        (b'{"detail":"overloaded"}', "overloaded"),
        (b'{"detail":[{"loc":["body","x"],"msg":"overloaded"}]}', "body.x: overloaded"),
        (b'[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]', "overloaded"),
        (b'{"choices":[{"error":{"message":"overloaded","code":502},"finish_reason":"error"}]}', "overloaded"),
        (b'{"error":{"message":"\\ud83d overloaded"}}', "\ufffd overloaded"),
        (b'{"error":{"code":502}}', "^$"),
        (b'{"error":true}', "^$"),
    ],
)
def test_an_error_of_the_service(data: bytes, message: str) -> None:
    with pytest.raises(ReportedError, match=message):
        read(data)


def test_text_before_an_error_counts() -> None:
    parts: list[Part] = []
    chunk = {"error": {"message": "gone"}, "choices": [{"delta": {"content": "b"}, "finish_reason": "error"}]}
    with pytest.raises(ReportedError, match="gone"):
        ChunkReader().read([ServerEvent(delta(content="a")), ServerEvent(msgspec.json.encode(chunk))], parts)
    assert parts == [Text("a"), Text("b")]


def test_an_event_that_is_named_an_error() -> None:
    event = ServerEvent(b'{"code":400,"message":"context too long"}', is_error=True)
    with pytest.raises(ReportedError, match="context too long") as raised:
        ChunkReader().read([event], [])
    assert (raised.value.error.status, raised.value.error.is_context) == (400, True)


def test_nothing_that_a_database_refuses_comes_through() -> None:
    odd = "\0\ud83d"
    call = {"id": odd, "function": {"name": odd, "arguments": odd}}
    said = {"content": odd, "reasoning": odd, "refusal": odd, "tool_calls": [call]}
    chunk = json.dumps({"choices": [{"delta": said, "finish_reason": odd}]}).encode()
    parts = read(chunk, by=(reader := ChunkReader()))
    _, finish = reader.end() or ([], Ending(""))
    assert "\0" not in str([*parts, finish])
    assert parts[0] == Reasoning("\ufffd\ufffd")
