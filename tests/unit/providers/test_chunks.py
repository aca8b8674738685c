"""What comes from a service that is nearly OpenAI's: odd chunks, half characters, errors in the middle."""

import json
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun
from core.providers.base import Finish, Told
from core.providers.http.failures import ReportedError, Unreadable
from core.providers.http.reader import MAX_UNREADABLE_EVENTS, ServerEvent
from core.providers.openai.chunks import ChunkReader
from tests.unit.providers.http_providing import Ending

STOP = b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}'


def read(*chunks: bytes, by: ChunkReader | None = None) -> list[Part]:
    parts: list[Part] = []
    (by or ChunkReader()).read([*map(ServerEvent, chunks)], parts)
    return parts


def read_all(*chunks: bytes) -> tuple[list[Part], Finish | None]:
    """An answer that ends as it should."""
    parts = read(*chunks, STOP, by=(reader := ChunkReader()))
    more, finish = reader.end() or ([], None)
    return parts + more, finish


def delta(**said: Any) -> bytes:
    return msgspec.json.encode({"choices": [{"index": 0, "delta": said, "finish_reason": None}]})


def usage(**counts: Any) -> bytes:
    return json.dumps({"choices": [], "usage": counts}).encode()


def test_text_and_reasoning() -> None:
    assert read(b'{"choices":[{"delta":{"role":"assistant","content":""}}]}') == []
    assert read(b'{"choices":[{"delta":{"reasoning":"hm","content":"yes"}}]}') == [Reasoning("hm"), Text("yes")]
    assert read(b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}', b'{"choices":[{"delta":{"content":"a"}}]}') == [
        Reasoning("hm"),
        Text("a"),
    ]


def test_the_end() -> None:
    reader = ChunkReader()
    assert (reader.end(), reader.is_finished) == (None, False)
    read(STOP, b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":null}}', by=reader)
    assert (reader.is_done, reader.is_finished) == (False, True)
    assert reader.end() == ([], Ending("stop", Told(Usage(3, 0))))


def test_nothing_is_read_after_the_end() -> None:
    late = delta(content="too late")
    assert read(STOP, b"[DONE]", late, by=(reader := ChunkReader())) == []
    assert read(late, by=reader) == []
    assert reader.is_done


def test_done_finishes_an_answer_that_has_no_other_finish() -> None:
    read(delta(content="a"), b" [DONE]", by=(reader := ChunkReader()))
    assert reader.end() == ([], Ending("stop"))
    read(b"[DONE]", by=(reader := ChunkReader()))
    assert reader.end() is None


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("function_call", "tool_calls"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("made_up", "made_up"),
        ("\0" * 99, "\ufffd" * 32),
        (True, "stop"),
        ({"type": "stop"}, "stop"),
    ],
)
def test_reasons_to_finish(told: Any, reason: str) -> None:
    read(msgspec.json.encode({"choices": [{"delta": {}, "finish_reason": told}]}), by=(reader := ChunkReader()))
    assert reader.end() == ([], Ending(reason))


@pytest.mark.parametrize("told", [None, "", 0, False, []])
def test_no_reason_to_finish(told: Any) -> None:
    read(msgspec.json.encode({"choices": [{"delta": {}, "finish_reason": told}]}), by=(reader := ChunkReader()))
    assert reader.end() is None


@pytest.mark.parametrize("told", ["error", "network_error", "abort", "insufficient_system_resource"])
def test_a_finish_that_is_a_failure(told: str) -> None:
    chunk = msgspec.json.encode({"choices": [{"delta": {"content": "a"}, "finish_reason": told}]})
    parts = read(chunk, by=(reader := ChunkReader()))
    assert (parts, reader.is_finished) == ([Text("a")], False)
    with pytest.raises(ReportedError, match=told) as raised:
        reader.end()
    assert raised.value.error.is_passing


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


@pytest.mark.parametrize("index", [0, None, "0", 0.0, -1, 1])
def test_a_choice_may_have_any_index(index: Any) -> None:
    chunk = msgspec.json.encode({"choices": [{"index": index, "delta": {"content": "a"}}]})
    assert read(chunk, chunk) == [Text("a"), Text("a")]


def test_of_several_choices_one_is_read() -> None:
    two = [{"index": index, "delta": {"content": text}} for index, text in ((0, "a"), (1, "b"))]
    assert read(msgspec.json.encode({"choices": two})) == [Text("a")]
    each = [msgspec.json.encode({"choices": [one]}) for one in two]
    assert read(*each, *each) == [Text("a"), Text("a")]
    assert read(*each[::-1], *each) == [Text("b"), Text("b")]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [Text("a"), Text("b")]),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "a"}],
         [Reasoning("Hm."), Text("a")]),
        ([{"type": "thinking", "thinking": "Hm.", "signature": "x"}], [Reasoning("Hm.")]),
        ([{"type": "reasoning", "text": "Hm."}], [Reasoning("Hm.")]),
        ([{"type": "output_text", "text": "a"}], [Text("a")]),
        ([{"type": "text", "text": {"value": "a"}}], [Text("a")]),
        ([{"type": "image_url", "image_url": {"url": "x"}}, "a", {"text": "b"}, None], [Text("a"), Text("b")]),
        ([{"type": "refusal", "refusal": "No."}], [Refusal("No.")]),
        ({"type": "text", "text": "a"}, [Text("a")]),
        ([], []),
        ("", []),
    ],
)  # fmt: skip
def test_content_in_parts(content: Any, parts: list[Part]) -> None:
    assert read(delta(content=content)) == parts


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
        {"reasoning_content": [{"type": "text", "text": "Hm."}]},
    ],
)
def test_thoughts(said: dict[str, Any]) -> None:
    assert read(delta(**said)) == [Reasoning("Hm.")]


def test_a_refusal_is_no_plain_success() -> None:
    assert read_all(delta(refusal="I "), delta(refusal="won't.")) == (
        [Refusal("I "), Refusal("won't.")],
        Ending("content_filter"),
    )


@pytest.mark.parametrize("name", ["message", "text"])
def test_what_others_have_in_place_of_a_delta(name: str) -> None:
    said = {"message": {"role": "assistant", "content": "a"}, "text": "a"}[name]
    chunk = msgspec.json.encode({"choices": [{"index": 0, name: said, "finish_reason": None}]})
    assert read_all(chunk, chunk) == ([Text("a"), Text("a")], Ending("stop"))


def test_a_message_beside_the_deltas_is_the_same_once_more() -> None:
    def chunk(content: str, whole: str) -> bytes:
        choice = {"index": 0, "delta": {"content": content}, "message": {"content": whole}}
        return msgspec.json.encode({"choices": [choice]})

    assert read(chunk("a", "a"), chunk("b", "ab"), chunk("", "ab")) == [Text("a"), Text("b")]
    assert read(chunk("", "ab")) == [Text("ab")]


def test_a_whole_completion() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Hm.", "tool_calls": [call]}
    whole = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    parts = read(json.dumps(whole, indent=1).encode(), by=(reader := ChunkReader()))
    assert parts == [Reasoning("Hm."), Text("Hello"), ToolCallBegun("a", "f"), ToolArguments("{}", 0)]
    assert reader.end() == ([], Ending("tool_calls"))


def test_several_chunks_in_one_event() -> None:
    a, b = delta(content="a"), delta(content="b")
    assert read(a + b"\n" + b) == [Text("a"), Text("b")]
    assert read(b"[" + a + b"," + b + b"]") == [Text("a"), Text("b")]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(3, 2)),
        ({"prompt_tokens": 3.0, "completion_tokens": 2.7}, Usage(3, 2)),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"input_tokens": 3, "output_tokens": 2}, Usage(3, 2)),
        ({"prompt_tokens": 3_000_000_000, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": 2}, None),
        ({"prompt_tokens": float("nan"), "completion_tokens": 2}, None),
        ({"prompt_tokens": "3", "completion_tokens": 2}, None),
        ({"prompt_tokens": {}, "completion_tokens": 2}, None),
        ({}, None),
    ],
)
def test_what_an_answer_cost(counts: dict[str, Any], told: Usage | None) -> None:
    assert read_all(delta(content="a"), usage(**counts)) == ([Text("a")], Ending("stop", Told(told)))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["m", "m-2026"], "m-2026"),
        (["m", None, "", 5], "m"),
        (["/srv/x.gguf"], "x.gguf"),
        (["a/b"], "a/b"),
        (["a\0b\ud83d"], "a\ufffdb\ufffd"),
        ([None], None),
    ],
)
def test_which_model_answers(names: list[Any], told: str | None) -> None:
    reader = ChunkReader()
    read(*(json.dumps({"model": name, "choices": []}).encode() for name in names), by=reader)
    assert reader.told == Told(model=told)


def test_the_last_sensible_usage_counts() -> None:
    first, last = usage(prompt_tokens=1, completion_tokens=1), usage(prompt_tokens=1, completion_tokens=9)
    assert read_all(first, last, usage(prompt_tokens=-1)) == ([], Ending("stop", Told(Usage(1, 9))))


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
