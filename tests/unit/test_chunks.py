"""What comes from a service that is nearly OpenAI's: odd chunks, half characters, errors in the middle."""

import msgspec
import pytest

from core.model.events import Usage
from core.model.parts import Reasoning, Text, ToolCall
from core.providers.openai.chunks import MAX_TOOL_CALL_CHARS, MAX_TOOL_CALLS, BadChunk, ChunkReader, ErrorChunk
from core.providers.sse import MAX_EVENT_BYTES, EventReader, EventTooLarge


def test_text_reasoning_usage_and_the_end() -> None:
    reader = ChunkReader()
    assert reader.read(b'{"choices":[{"delta":{"role":"assistant","content":""}}]}') == []
    assert not reader.started
    assert reader.read(b'{"choices":[{"delta":{"reasoning":"hm","content":"yes"}}]}') == [Reasoning("hm"), Text("yes")]
    assert reader.read(b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}') == []
    assert reader.read(b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":null}}') == []
    assert (reader.started, reader.finish_reason, reader.usage) == (True, "stop", Usage(3, 0))
    assert not reader.is_done
    assert reader.read(b"[DONE]") == []
    assert reader.is_done
    assert reader.read(b'{"choices":[{"delta":{"content":"too late"}}]}') == []


@pytest.mark.parametrize("chunk", [b"{}", b'{"choices":null}', b'{"choices":[{"delta":null}]}', b'{"choices":[{}]}'])
def test_a_chunk_that_says_nothing(chunk: bytes) -> None:
    assert ChunkReader().read(chunk) == []


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[1]", b'{"choices":[{"delta":{"content":7}}]}', b'{"choices":[{"del', b"\xff\xfe{}"]
)
def test_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(BadChunk):
        ChunkReader().read(data)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    half = rb'{"choices":[{"delta":{"content":"a\ud83d b\u00e9"}}]}'
    assert ChunkReader().read(half) == [Text("a\ufffd bé")]
    whole = rb'{"choices":[{"delta":{"content":"\ud83d\ude00"}}]}'
    assert ChunkReader().read(whole) == [Text("😀")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"error":{"message":"overloaded","code":502}}', "overloaded"),
        (b'{"error":"overloaded"}', "overloaded"),
        (b'{"error":{"code":502}}', "an error in the middle of the answer"),
    ],
)
def test_an_error_of_the_service(data: bytes, message: str) -> None:
    with pytest.raises(ErrorChunk, match=message):
        ChunkReader().read(data)


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    reader = ChunkReader()
    reader.read(b'{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]}}]}')
    reader.read(b'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}')
    reader.read(b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\""}}]}}]}')
    reader.read(b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}')
    assert reader.tool_calls() == [ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")]


def _call(index: int, arguments: str) -> bytes:
    call = {"index": index, "id": "i", "function": {"name": "f", "arguments": arguments}}
    return msgspec.json.encode({"choices": [{"delta": {"tool_calls": [call]}}]})


def test_tool_calls_that_never_end_do_not_fill_the_memory() -> None:
    long, many = ChunkReader(), ChunkReader()
    long.read(_call(0, "x" * (MAX_TOOL_CALL_CHARS - 10)))
    with pytest.raises(BadChunk):
        long.read(_call(0, "x" * 10))
    for index in range(MAX_TOOL_CALLS):
        many.read(_call(index, ""))
    with pytest.raises(BadChunk):
        many.read(_call(MAX_TOOL_CALLS, ""))


@pytest.mark.parametrize("more", [b"xx", b"\ndata:"])
def test_an_event_that_never_ends_does_not_fill_the_memory(more: bytes) -> None:
    events = EventReader()
    events.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 6))
    with pytest.raises(EventTooLarge):
        events.feed(more)


def test_events_that_end_may_be_many() -> None:
    events = EventReader()
    event = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + b"\n\n"
    assert [len(events.feed(event)) for _ in range(3)] == [1, 1, 1]
