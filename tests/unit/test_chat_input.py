"""What `POST /chat` can be asked, and the turn that it becomes."""

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from api.inputs.chat import ChatRequest
from core.model.context import RequestContext
from core.providers.base import Data, FileContent, ImageContent, Link, Message, TextContent, ToolCallRequest
from core.store.turns.records import Labels, NewTurn

TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
CALL = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
DEEP: dict[str, Any] = {}
for _ in range(900):
    DEEP = {"a": DEEP}
PNG = "data:image/png;base64,cG5n"


def turn_of(**asked: Any) -> NewTurn:
    return ChatRequest.model_validate(asked).new_turn("m", "api", RequestContext())


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_one_message() -> None:
    turn = turn_of(message="Hi", options={"temperature": 0.5})
    assert (turn.message, turn.input, turn.options) == ("Hi", None, {"temperature": 0.5})


def test_messages_are_kept_as_a_provider_takes_them() -> None:
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,cGRm", "filename": "b.pdf"}},
    ]
    turn = turn_of(
        messages=[
            {"role": "system", "content": "Be brief."},
            user(parts),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "noon", "tool_call_id": "a"},
            {"role": "user", "content": "And now?", "name": "Ada"},
        ]
    )
    assert turn.message == "And now?"
    assert turn.input is not None
    stored = msgspec.json.decode(msgspec.json.encode(turn.input["messages"]))
    assert msgspec.convert(stored, list[Message]) == [
        Message("system", "Be brief."),
        Message(
            "user",
            [
                TextContent("Look:"),
                ImageContent(Data("image/png", b"png"), "low"),
                ImageContent(Link("https://a/b.png")),
                FileContent(Data("application/pdf", b"pdf"), "b.pdf"),
            ],
        ),
        Message("assistant", "", [ToolCallRequest("a", "now", "{}")]),
        Message("tool", "noon", tool_call_id="a"),
        Message("user", "And now?", name="Ada"),
    ]


def test_messages_as_clients_of_openai_have_them() -> None:
    """Its own answers among them, with all that they may have."""
    said: dict[str, Any] = {"role": "assistant", "content": "Yes.", "refusal": None, "annotations": [], "audio": None}
    turn = turn_of(messages=[{"role": "developer", "content": "Be brief."}, user("Hi"), said, user("Go on")])
    assert turn.input == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Go on"},
        ]
    }


def test_tools_and_formats_go_with_the_messages() -> None:
    chosen = {"type": "function", "function": {"name": "now"}}
    options = {"tools": [TOOL], "tool_choice": chosen, "response_format": FORMAT, "seed": 1}
    turn = turn_of(message="Hi", options=options)
    assert turn.options == {"seed": 1}
    assert turn.input == {"tools": [TOOL], "tool_choice": chosen, "response_format": FORMAT}


def test_labels_go_with_the_turn() -> None:
    assert turn_of(message="Hi").labels == turn_of(message="Hi", goal_id=None, metadata=None).labels == Labels()
    label, metadata = "Ünï: 👩‍🚀/\u00a0" + "x" * 100, {f"{n} \n": "y" * 512 for n in range(16)}
    asked = {"goal_id": label, "work_item_id": "w" * 128, "run_id": " r ", "metadata": metadata}
    assert turn_of(message="Hi", **asked).labels == Labels(label, "w" * 128, " r ", metadata)
    assert turn_of(message="Hi", mode="direct", **asked).labels == turn_of(messages=[user("Hi")], **asked).labels


@pytest.mark.parametrize("name", ["goal_id", "work_item_id", "run_id"])
@pytest.mark.parametrize(
    "label",
    ["", " \t", "\u2003", "a\0b", "a\ud83d", "a\nb", "a\x1b[0m", "a\x7f", "a\x85b", "a\u2028b", "x" * 129, 1, ["a"]],
)
def test_what_can_be_no_label_is_refused(name: str, label: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        ChatRequest.model_validate({"message": "a", name: label})


@pytest.mark.parametrize(
    "metadata",
    [
        {"": "a"},
        {"x" * 65: "a"},
        {"a": "x" * 513},
        {str(n): "a" for n in range(17)},
        {"a": 1},
        {"a": None},
        {"a": ["b"]},
        {"a": {"b": "c"}},
        {"a": "\0"},
        {"\0": "a"},
        {"a": "\ud83d"},
        {"\ud83d": "a"},
        ["a"],
        "a",
    ],
)
def test_what_can_be_no_metadata_is_refused(metadata: Any) -> None:
    with pytest.raises(ValidationError, match="metadata"):
        ChatRequest.model_validate({"message": "a", "metadata": metadata})


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ([user("first"), {"role": "assistant", "content": "x"}, user("last")], "last"),
        ([user("first"), user([{"type": "image_url", "image_url": {"url": PNG}}])], "first"),
        ([{"role": "system", "content": "x"}], "…"),
    ],
)
def test_a_turn_shows_the_last_words_of_its_user(messages: list[Any], shown: str) -> None:
    assert turn_of(messages=messages).message == shown


def test_what_is_asked_is_measured() -> None:
    calls = {"role": "assistant", "content": "abc", "tool_calls": [CALL]}
    assert ChatRequest.model_validate({"messages": [user("hello"), calls]}).chars == 10
    assert ChatRequest.model_validate({"message": "hello"}).chars == 5


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"message": "a", "messages": [user("b")]},
        {"messages": []},
        {"messages": [user("")]},
        {"messages": [user(None)]},
        {"messages": [user("a\0b")]},
        {"messages": [user("a\ud83d")]},
        {"messages": [{"role": "wizard", "content": "a"}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"messages": [{"role": "user", "content": "a", "tool_call_id": "b"}]},
        {"messages": [{"role": "user", "content": "a", "tool_calls": [CALL]}]},
        {"messages": [{"role": "user", "content": "a", "cache": True}]},
        {"messages": [user([{"type": "audio", "text": "a"}])]},
        {"messages": [user([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])]},
        {"messages": [user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5"}}])]},
        {"messages": [user([{"type": "image_url", "image_url": {"url": "data:image/png,png"}}])]},
        {"message": "a", "options": {"tools": [{"type": "function", "function": {"name": "a b"}}]}},
        {"message": "a", "options": {"tools": [{"type": "function", "function": {"name": "f", "description": "\0"}}]}},
        {"message": "a", "options": {"tools": [TOOL] * 129}},
        {"message": "a", "options": {"tools": [{"type": "function", "function": {"name": "f", "parameters": DEEP}}]}},
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        {"message": "a", "options": {"tool_choice": "perhaps"}},
        {"message": "a", "options": {"response_format": {"type": "json_schema"}}},
        {"message": "a", "options": {"response_format": {"type": "text", "json_schema": FORMAT["json_schema"]}}},
        {"message": "a", "options": {"provider_options": [1]}},
        {"message": "a", "options": {"provider_options": {"a": "\0"}}},
    ],
)
def test_what_can_be_no_question_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatRequest.model_validate(asked)
