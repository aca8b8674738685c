"""What Anthropic, Gemini and Ollama are asked where the same thing has another name with each, or none."""

from typing import Any

import pytest
from anthropic.types import MessageCreateParams
from google.genai.types import GenerateContentConfig
from pydantic import TypeAdapter

from core.model.errors import UnsupportedOption
from core.providers.anthropic import request as anthropic
from core.providers.base import ImageContent, Link, Message, Request
from core.providers.gemini import request as gemini
from core.providers.ollama import request as ollama
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
