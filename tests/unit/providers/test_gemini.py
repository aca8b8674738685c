"""The Gemini provider keeps to what every provider keeps to."""

import json
from typing import Any

import pytest

from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish, Provider
from core.providers.gemini.provider import GeminiProvider
from core.providers.http.client import HttpClient
from tests.unit.providers.conformance import ProviderConformance
from tests.unit.providers.http_answers import HttpAnswers
from tests.unit.providers.http_failures import HttpFailures
from tests.unit.providers.http_providing import KEY, HttpProviding

pytestmark = pytest.mark.anyio

REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}


class GeminiProviding(HttpProviding):
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        return GeminiProvider(KEY, url, http)

    def event(self, part: Part) -> bytes:
        wire: dict[str, Any]
        match part:
            case Text(text):
                wire = {"text": text}
            case Reasoning(text):
                wire = {"text": text, "thought": True}
            case ToolCall(call_id, name, arguments):
                wire = {"functionCall": {"id": call_id, "name": name, "args": json.loads(arguments)}}
        return sse({"candidates": [{"content": {"parts": [wire], "role": "model"}, "index": 0}]})

    def end(self, finish: Finish) -> bytes:
        assert finish.told.usage is not None
        counts = {
            "promptTokenCount": finish.told.usage.input_tokens,
            "candidatesTokenCount": finish.told.usage.output_tokens - 5,
            "thoughtsTokenCount": 5,
        }
        last = {"content": {"role": "model"}, "finishReason": REASONS[finish.reason], "index": 0}
        return sse({"candidates": [last], "usageMetadata": counts})

    def error(self, message: str) -> bytes:
        return json.dumps({"error": {"message": message, "status": "SOME_ERROR"}}, indent=2).encode()

    def error_event(self, message: str) -> bytes:
        return sse(json.loads(self.error(message)))

    def document(self, text: str) -> bytes:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}
        return json.dumps({"candidates": [candidate]}, indent=2).encode()

    def nonsense(self) -> bytes:
        return b'data: {"candidates": [{"con\r\n\r\n'


class TestGemini(GeminiProviding, ProviderConformance, HttpAnswers, HttpFailures):
    pass


def sse(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\r\n\r\n".encode()
