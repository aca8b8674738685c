"""The OpenAI provider keeps to what every provider keeps to."""

from typing import Any, ClassVar

import msgspec
import pytest

from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.base import Finish, Provider
from core.providers.http.client import HttpClient
from core.providers.openai.provider import OpenAIProvider
from tests.unit.providers.conformance import ProviderConformance
from tests.unit.providers.http_answers import HttpAnswers
from tests.unit.providers.http_failures import HttpFailures
from tests.unit.providers.http_providing import KEY, HttpProviding

pytestmark = pytest.mark.anyio


class OpenAIProviding(HttpProviding):
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        return OpenAIProvider(KEY, url, http)

    def event(self, part: Part) -> bytes:
        delta: dict[str, Any]
        match part:
            case Text(text):
                delta = {"content": text}
            case Reasoning(text):
                delta = {"reasoning_content": text}
            case ToolCall(call_id, name, arguments):
                function = {"name": name, "arguments": arguments}
                delta = {"tool_calls": [{"index": 0, "id": call_id, "type": "function", "function": function}]}
        return _sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def end(self, finish: Finish) -> bytes:
        assert finish.told.usage is not None
        usage = {"prompt_tokens": finish.told.usage.input_tokens, "completion_tokens": finish.told.usage.output_tokens}
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish.reason}]}
        return _sse(last) + _sse({"choices": [], "usage": usage}) + b"data: [DONE]\n\n"

    def error(self, message: str) -> bytes:
        return msgspec.json.encode({"error": {"message": message, "type": "some_error", "param": None, "code": None}})

    def error_event(self, message: str) -> bytes:
        return b"data: " + self.error(message) + b"\n\n"

    def document(self, text: str) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return msgspec.json.encode({"object": "chat.completion", "choices": [choice]})

    def nonsense(self) -> bytes:
        return b'data: {"choices": [{"del\n\n'


class TestOpenAI(OpenAIProviding, ProviderConformance, HttpAnswers, HttpFailures):
    pass


class TestEncryptedOpenAI(OpenAIProviding, ProviderConformance, HttpAnswers, HttpFailures):
    is_encrypted: ClassVar = True


def _sse(chunk: object) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
