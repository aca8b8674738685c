"""What Anthropic, Gemini and Ollama are asked where the same thing has another name with each, or none."""

import re
from typing import Any

import pytest
from anthropic.types import MessageCreateParams
from google.genai.types import GenerateContentConfig
from pydantic import TypeAdapter

from core.model.errors import UnsupportedOption
from core.providers.anthropic import request as anthropic
from core.providers.base import ImageContent, Link, Message, Request, ToolCallRequest
from core.providers.gemini import request as gemini
from core.providers.ollama import request as ollama
from core.providers.openai import request as openai
from core.providers.openai.dialect import OpenAIDialect
from tests.unit.providers.conversation import asking


@pytest.mark.parametrize(
    ("choice", "for_anthropic", "for_gemini"),
    [
        ("auto", {"type": "auto"}, {"mode": "AUTO"}),
        ("none", {"type": "none"}, {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "now"}},
            {"type": "tool", "name": "now"},
            {"mode": "ANY", "allowedFunctionNames": ["now"]},
        ),
    ],
)
def test_which_tool(choice: Any, for_anthropic: dict[str, Any], for_gemini: dict[str, Any]) -> None:
    assert anthropic.body_of(asking(tool_choice=choice), 16_000)["tool_choice"] == for_anthropic
    assert gemini.body_of(asking(tool_choice=choice))["toolConfig"] == {"functionCallingConfig": for_gemini}


@pytest.mark.parametrize("effort", ["none", "minimal", "medium", "high"])
def test_how_hard_to_think(effort: str) -> None:
    request = Request("m", [Message("user", "hi")], {"reasoning_effort": effort})
    body = anthropic.body_of(request, 16_000)
    TypeAdapter(MessageCreateParams).validate_python(body)
    assert (body["thinking"]["type"] == "disabled") == (effort == "none")
    GenerateContentConfig.model_validate(gemini.body_of(request)["generationConfig"])
    assert (ollama.body_of(request)["think"] is False) == (effort == "none")


def test_what_a_service_has_not_is_refused_by_name() -> None:
    def asked(**options: Any) -> Request:
        return Request("m", [Message("user", "hi")], options)

    with pytest.raises(UnsupportedOption, match="frequency_penalty, seed"):
        anthropic.body_of(asked(seed=1, frequency_penalty=0.5, max_tokens=5), 16_000)
    with pytest.raises(UnsupportedOption, match="json_object"):
        anthropic.body_of(asking(response_format={"type": "json_object"}), 16_000)
    assert "output_config" not in anthropic.body_of(asking(options={}, response_format={"type": "text"}), 16_000)
    with pytest.raises(UnsupportedOption, match="what kind of file"):
        gemini.body_of(Request("m", [Message("user", [ImageContent(Link("https://a/b"))])]))
    with pytest.raises(UnsupportedOption, match="tool_choice"):
        ollama.body_of(asking())
    with pytest.raises(UnsupportedOption, match="images"):
        ollama.body_of(Request("m", [Message("user", [ImageContent(Link("https://a/b.png"))])]))


@pytest.mark.parametrize("arguments", ['{"tz": "Eur', "", "[1]", "null", "7"])
def test_arguments_that_are_no_object_are_passed_on_as_none(arguments: str) -> None:
    """Servers that read them would refuse the whole conversation."""
    (message,) = openai.body_of(_with_call(ToolCallRequest("a", "now", arguments)), OpenAIDialect())["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"
    whole = ToolCallRequest("a", "now", '{ "tz":"Europe/Berlin" }')
    (message,) = openai.body_of(_with_call(whole), OpenAIDialect())["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == whole.arguments


@pytest.mark.parametrize("call_id", ["functions.now:0", "é", "a b", "", "x" * 5 + "\n"])
def test_an_id_of_another_service_is_one_that_anthropic_takes(call_id: str) -> None:
    asked = _with_call(ToolCallRequest(call_id, "now", "{}"))
    asked.messages.append(Message("tool", "noon", tool_call_id=call_id))
    call, result = (message["content"][0] for message in anthropic.body_of(asked, 16_000)["messages"])
    assert call["id"] == result["tool_use_id"] != call_id
    assert re.fullmatch("[a-zA-Z0-9_-]+", call["id"])


def _with_call(call: ToolCallRequest) -> Request:
    return Request("m", [Message("assistant", "", tool_calls=[call])])
