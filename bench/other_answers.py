"""The scripted answer in the words of other services' APIs: Anthropic's messages, Gemini's streamGenerateContent and
Ollama's chat, streamed. What comes with a token is about what the service itself sends with one."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

from bench.answer import Answer, Question
from bench.tokens import awkward, token

MESSAGES = "/v1/messages"
OLLAMA_CHAT = "/api/chat"
_GEMINI = re.compile(r"/v\d\w*/models/(.+):streamGenerateContent")
_encode = msgspec.json.encode


class OtherAnswer(Answer):
    """The text alone, and its tokens counted."""

    def texts(self) -> Iterator[str]:
        script = self.script
        for index in range(self.tokens):
            text = token(script.text, index)
            yield text + awkward(index) if script.unicode else text

    @property
    def model(self) -> str:
        return self.question.model


class AnthropicAnswer(OtherAnswer):
    def opening(self) -> bytes:
        usage = {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": []}
        block = {"type": "text", "text": ""}
        return _sse("message_start", message={**message, "stop_reason": None, "usage": usage}) + _sse(
            "content_block_start", index=0, content_block=block
        )

    def events(self) -> Iterator[bytes]:
        for text in self.texts():
            yield _sse("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def closing(self) -> bytes:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        told = _sse("message_delta", delta=delta, usage={"output_tokens": self.tokens})
        return _sse("content_block_stop", index=0) + told + _sse("message_stop")


class GeminiAnswer(OtherAnswer):
    def opening(self) -> bytes:
        return b""

    def events(self) -> Iterator[bytes]:
        for number, text in enumerate(self.texts(), 1):
            yield self._chunk(text, number)

    def closing(self) -> bytes:
        return self._chunk("", self.tokens, finishReason="STOP")

    def _chunk(self, text: str, number: int, **more: Any) -> bytes:
        content = {"parts": [{"text": text}], "role": "model"}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": number, "totalTokenCount": 9 + number}
        chunk = {
            "candidates": [{"content": content, "index": 0, **more}],
            "usageMetadata": usage,
            "modelVersion": self.model,
            "responseId": "response-1",
        }
        return b"data: " + _encode(chunk) + b"\r\n\r\n"


class OllamaAnswer(OtherAnswer):
    def opening(self) -> bytes:
        return b""

    def events(self) -> Iterator[bytes]:
        for text in self.texts():
            yield self._line(text, done=False)

    def closing(self) -> bytes:
        return self._line("", done=True, done_reason="stop", prompt_eval_count=9, eval_count=self.tokens)

    def _line(self, text: str, **more: Any) -> bytes:
        message = {"role": "assistant", "content": text}
        at = {"model": self.model, "created_at": "2026-01-01T00:00:00.123456789Z"}
        return _encode({**at, "message": message, **more}) + b"\n"


def kind_of(path: str) -> type[OtherAnswer] | None:
    """By the path that is asked; None for a path of none of them."""
    if path == MESSAGES:
        return AnthropicAnswer
    if path == OLLAMA_CHAT:
        return OllamaAnswer
    return GeminiAnswer if _gemini_model(path) else None


def question_of(path: str, body: dict[str, Any]) -> Question:
    """The model, which Gemini has in the path; what is asked changes nothing."""
    return Question(model=_gemini_model(path) or str(body["model"]), messages=[{"role": "user"}], stream=True)


def _gemini_model(path: str) -> str:
    found = _GEMINI.fullmatch(path)
    return unquote(found[1]) if found else ""


def _sse(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"
