"""The Ollama provider keeps to what every provider keeps to."""

import json
from typing import Any

import pytest

from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish, Provider
from core.providers.http.client import HttpClient
from core.providers.ollama.provider import OllamaProvider
from tests.unit.providers.conformance import ProviderConformance
from tests.unit.providers.http_answers import HttpAnswers
from tests.unit.providers.http_failures import HttpFailures
from tests.unit.providers.http_providing import KEY, HttpProviding

pytestmark = pytest.mark.anyio

REASONS = {"stop": "stop", "tool_calls": "stop", "length": "length"}


class OllamaProviding(HttpProviding):
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        return OllamaProvider(url, KEY, http)

    def event(self, part: Part) -> bytes:
        message: dict[str, Any]
        match part:
            case Text(text):
                message = {"content": text}
            case Reasoning(text):
                message = {"content": "", "thinking": text}
            case ToolCall(call_id, name, arguments):
                function = {"index": 0, "name": name, "arguments": json.loads(arguments)}
                message = {"content": "", "tool_calls": [{"id": call_id, "function": function}]}
        return line({"created_at": "2026-11-28T00:00:00Z", "message": {"role": "assistant", **message}, "done": False})

    def end(self, finish: Finish) -> bytes:
        assert finish.told.usage is not None
        counts = {"prompt_eval_count": finish.told.usage.input_tokens, "eval_count": finish.told.usage.output_tokens}
        message = {"role": "assistant", "content": ""}
        return line({"message": message, "done": True, "done_reason": REASONS[finish.reason], **counts})

    def error(self, message: str) -> bytes:
        return json.dumps({"error": message}).encode()

    def error_event(self, message: str) -> bytes:
        return line(json.loads(self.error(message)))

    def document(self, text: str) -> bytes:
        return line({"message": {"role": "assistant", "content": text}, "done": True, "done_reason": "stop"})

    def nonsense(self) -> bytes:
        return b'{"message": {"con\n'


class TestOllama(OllamaProviding, ProviderConformance, HttpAnswers, HttpFailures):
    pass


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
