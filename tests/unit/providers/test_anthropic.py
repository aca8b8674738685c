"""The Anthropic provider keeps to what every provider keeps to."""

import json
from typing import Any

import pytest

from core.model.parts import Part, Reasoning, Text, ToolCall
from core.providers.anthropic.provider import AnthropicProvider
from core.providers.base import Finish, Provider
from core.providers.http.client import HttpClient
from tests.unit.providers.conformance import ProviderConformance
from tests.unit.providers.http_answers import HttpAnswers
from tests.unit.providers.http_failures import HttpFailures
from tests.unit.providers.http_providing import KEY, HttpProviding

pytestmark = pytest.mark.anyio

REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}


class AnthropicProviding(HttpProviding):
    def provider_of(self, url: str, http: HttpClient) -> Provider:
        return AnthropicProvider(KEY, url, http)

    def event(self, part: Part) -> bytes:
        block: dict[str, Any]
        deltas: list[dict[str, Any]]
        match part:
            case Text(text):
                return delta(0, {"type": "text_delta", "text": text})
            case Reasoning(text):
                return delta(0, {"type": "thinking_delta", "thinking": text})
            case ToolCall(call_id, name, arguments):
                block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
                half = len(arguments) // 2
                pieces = ("", arguments[:half], arguments[half:])
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return begin(1, block) + b"".join(delta(1, piece) for piece in deltas) + stop(1)

    def end(self, finish: Finish) -> bytes:
        assert finish.told.usage is not None
        usage = {"input_tokens": finish.told.usage.input_tokens, "output_tokens": finish.told.usage.output_tokens}
        told = {"stop_reason": REASONS[finish.reason], "stop_sequence": None}
        return sse({"type": "message_delta", "delta": told, "usage": usage}) + sse({"type": "message_stop"})

    def error(self, message: str) -> bytes:
        return json.dumps({"type": "error", "error": {"type": "some_error", "message": message}}).encode()

    def error_event(self, message: str) -> bytes:
        return b"event: error\ndata: " + self.error(message) + b"\n\n"

    def document(self, text: str) -> bytes:
        content = [{"type": "text", "text": text}]
        return json.dumps({"type": "message", "content": content, "stop_reason": "end_turn"}).encode()

    def nonsense(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type": "content_bl\n\n'


class TestAnthropic(AnthropicProviding, ProviderConformance, HttpAnswers, HttpFailures):
    pass


def begin(index: int, block: dict[str, Any]) -> bytes:
    return sse({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, piece: dict[str, Any]) -> bytes:
    return sse({"type": "content_block_delta", "index": index, "delta": piece})


def stop(index: int) -> bytes:
    return sse({"type": "content_block_stop", "index": index})


def sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
