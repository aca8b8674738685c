"""What OpenAI's chunks say, and the other shapes in which services that are nearly OpenAI's say it."""

import json
from typing import Any

import msgspec
import pytest

from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, ToolCallBegun
from core.providers.openai.chunks import ChunkReader
from tests.unit.providers.http_providing import Ending
from tests.unit.providers.openai_chunks import delta, read, read_all


def test_text_and_reasoning() -> None:
    assert read(b'{"choices":[{"delta":{"role":"assistant","content":""}}]}') == []
    assert read(b'{"choices":[{"delta":{"reasoning":"hm","content":"yes"}}]}') == [Reasoning("hm"), Text("yes")]
    assert read(b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}', b'{"choices":[{"delta":{"content":"a"}}]}') == [
        Reasoning("hm"),
        Text("a"),
    ]


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
