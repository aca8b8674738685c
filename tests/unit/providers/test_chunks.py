"""What comes from a service that is nearly OpenAI's: odd chunks, half characters, errors in the middle."""

import msgspec
import pytest

from core.model.events import Usage
from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish
from core.providers.failures import ReportedError, Unreadable
from core.providers.openai.chunks import MAX_TOOL_CALL_CHARS, MAX_TOOL_CALLS, ChunkReader

STOP = b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}'


def read(*chunks: bytes) -> list[Part]:
    parts: list[Part] = []
    ChunkReader().read([*chunks], parts)
    return parts


def test_text_and_reasoning() -> None:
    assert read(b'{"choices":[{"delta":{"role":"assistant","content":""}}]}') == []
    assert read(b'{"choices":[{"delta":{"reasoning":"hm","content":"yes"}}]}') == [Reasoning("hm"), Text("yes")]
    assert read(b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}', b'{"choices":[{"delta":{"content":"a"}}]}') == [
        Reasoning("hm"),
        Text("a"),
    ]


def test_the_end() -> None:
    reader = ChunkReader()
    assert reader.end() is None
    reader.read([STOP, b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":null}}'], [])
    assert not reader.is_done
    assert reader.end() == ([], Finish("stop", Usage(3, 0)))


def test_nothing_is_read_after_the_end() -> None:
    reader, parts = ChunkReader(), list[Part]()
    reader.read([STOP, b"[DONE]", b'{"choices":[{"delta":{"content":"too late"}}]}'], parts)
    reader.read([b'{"choices":[{"delta":{"content":"too late"}}]}'], parts)
    assert (reader.is_done, parts) == (True, [])


def test_parts_before_a_bad_chunk_count() -> None:
    parts: list[Part] = []
    with pytest.raises(Unreadable):
        ChunkReader().read([b'{"choices":[{"delta":{"content":"a"}}]}', b"{"], parts)
    assert parts == [Text("a")]


@pytest.mark.parametrize("chunk", [b"{}", b'{"choices":null}', b'{"choices":[{"delta":null}]}', b'{"choices":[{}]}'])
def test_a_chunk_that_says_nothing(chunk: bytes) -> None:
    assert read(chunk) == []


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[1]", b'{"choices":[{"delta":{"content":7}}]}', b'{"choices":[{"del', b"\xff\xfe{}"]
)
def test_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


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
        (b'{"error":{"code":502}}', "an error in the middle of the answer"),
    ],
)
def test_an_error_of_the_service(data: bytes, message: str) -> None:
    with pytest.raises(ReportedError, match=message):
        read(data)


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    reader, parts = ChunkReader(), list[Part]()
    pieces = [
        b'{"index":1,"id":"b","function":{"name":"g"}}',
        b'{"index":0,"id":"a","function":{"name":"f","arguments":""}}',
        b'{"index":0,"function":{"arguments":"{\\"x\\""}}',
        b'{"index":0,"function":{"arguments":":1}"}}',
    ]
    reader.read([b'{"choices":[{"delta":{"tool_calls":[%b]}}]}' % piece for piece in pieces], parts)
    reader.read([STOP], parts)
    assert parts == []
    assert reader.end() == ([ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")], Finish("stop"))


def test_tool_calls_that_never_end_do_not_fill_the_memory() -> None:
    long, many = ChunkReader(), ChunkReader()
    long.read([_call(0, "x" * (MAX_TOOL_CALL_CHARS - 10))], [])
    with pytest.raises(Unreadable):
        long.read([_call(0, "x" * 10)], [])
    many.read([_call(index, "") for index in range(MAX_TOOL_CALLS)], [])
    with pytest.raises(Unreadable):
        many.read([_call(MAX_TOOL_CALLS, "")], [])


def _call(index: int, arguments: str) -> bytes:
    call = {"index": index, "id": "i", "function": {"name": "f", "arguments": arguments}}
    return msgspec.json.encode({"choices": [{"delta": {"tool_calls": [call]}}]})
