"""The chunks of Gemini's streamGenerateContent, each an answer so far as it is new, and the parts that they are.

They come as events of a stream, as a list, or as bare objects, an error among them. Source: GenerateContentResponse of
the Gemini API (ai.google.dev) and of google-genai's types.
"""

from typing import Any

import msgspec

from core.model.parts import Opaque, Part, Reasoning, Text
from core.providers.base import Finish, Told
from core.providers.http.answer import EventSplitter, SseSplitter
from core.providers.http.body import ObjectSplitter, splitter_of
from core.providers.http.failures import ReportedError
from core.providers.http.lenient_json import clean, decode
from core.providers.http.reader import PartReader, ServerEvent, count_of, model_of, tells_of_error, usage_of, whole_call
from core.providers.http.service_error import ServiceError

SIGNATURE = "gemini.signature"
"""Of the part before it; without it the service does not take a call back."""

_LENGTH = {"MAX_TOKENS", "CONTINUATION"}
_FILTERED = """
    SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR ESCALATION PUP_LIMITED_DISABLED JAILBREAK
    IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION
""".split()  # noqa: SIM905 - a table
_FAILURES = {
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER", "IMAGE_OTHER"), True),
    **dict.fromkeys(("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"), False),
    **dict.fromkeys(("LANGUAGE", "NO_IMAGE"), False),
}
"""Of the model, or of what it was given: no end of an answer. Whether another try may have a better one."""
_UNSPECIFIED = frozenset({"FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"})


class _Content(msgspec.Struct):
    parts: Any = None


class _Candidate(msgspec.Struct):
    content: _Content | None = None
    index: Any = None
    finishReason: Any = None
    finishMessage: Any = None


class _Chunk(msgspec.Struct):
    candidates: list[_Candidate] | None = None
    promptFeedback: Any = None
    usageMetadata: Any = None
    modelVersion: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)
_NOTHING = _Chunk()


class GeminiSplitter(SseSplitter):
    """Some errors come in mid-stream as bare objects, on a line or several."""

    def __init__(self) -> None:
        super().__init__()
        self._objects = ObjectSplitter()
        self._bare: list[ServerEvent] = []

    def feed(self, raw: bytes, *, is_last: bool = False) -> list[ServerEvent]:
        events = super().feed(raw, is_last=is_last)
        events += self._bare
        self._bare.clear()
        return events

    def _read_field(self, line: bytes) -> None:
        if self._objects.is_within or line.lstrip().startswith((b"{", b"[{")):
            self._bare += self._objects.feed(line + b"\n")
        else:
            super()._read_field(line)


def choose_splitter(begin: bytes) -> EventSplitter | None:
    """Raises WebPage."""
    chosen = splitter_of(begin)
    if chosen is None:
        return None
    return GeminiSplitter() if isinstance(chosen, SseSplitter) else ObjectSplitter()


class ChunkReader(PartReader):
    def __init__(self) -> None:
        super().__init__()
        self._reason: str | None = None
        self._has_calls = False

    @property
    def is_finished(self) -> bool:
        return self._reason is not None and self._reason not in _FAILURES

    def end(self) -> tuple[list[Part], Finish] | None:
        if self._reason is None:
            return None
        if self._reason in _FAILURES:
            is_passing = _FAILURES[self._reason]
            raise ReportedError(
                ServiceError(f"finishReason {self._reason}", is_passing=is_passing, is_of_request=not is_passing)
            )
        return [], Finish(_unified(self._reason, has_calls=self._has_calls), self.told, self._reason)

    def _read_event(self, event: ServerEvent, parts: list[Part]) -> None:
        data, is_error_event = event
        chunk = decode(_DECODER, data)
        self._tell(chunk)
        for candidate in chunk.candidates or ():
            if candidate.index in (None, 0):  # no more than one is asked for
                self._read_candidate(candidate, parts)
        match chunk.promptFeedback:
            case {"blockReason": str(reason)} if reason not in _UNSPECIFIED:
                self._reason = clean(reason) if reason in _FILTERED else "PROHIBITED_CONTENT"
        if is_error_event or chunk.error or (chunk == _NOTHING and tells_of_error(data)):
            raise ReportedError(ServiceError.of_body(data))

    def _read_candidate(self, candidate: _Candidate, parts: list[Part]) -> None:
        given = candidate.content.parts if candidate.content is not None else None
        for part in given if isinstance(given, list) else []:
            if isinstance(part, dict):
                self._read_part(part, parts)
        reason = candidate.finishReason
        if isinstance(reason, str) and reason and reason not in _UNSPECIFIED:
            self._reason = clean(reason)

    def _read_part(self, part: dict[str, Any], parts: list[Part]) -> None:
        match part:
            case {"text": str(text), "thought": True}:
                if text:
                    parts.append(Reasoning(clean(text)))
            case {"text": str(text)}:
                if text:
                    parts.append(Text(clean(text)))
            case {"functionCall": {"name": str(name)} as call}:
                self._add_whole(whole_call(call.get("id"), name, call.get("args")), parts)
                self._has_calls = True
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            self._add_whole(Opaque(SIGNATURE, clean(signature)), parts)

    def _tell(self, chunk: _Chunk) -> None:
        usage, model = self.told.usage, model_of(chunk.modelVersion, self.told.model)
        if isinstance(counts := chunk.usageMetadata, dict):
            said = [counts.get(name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
            output = [count for each in said if (count := count_of(each)) is not None]
            told = usage_of(
                counts.get("promptTokenCount"),
                sum(output) if output else None,
                cached=counts.get("cachedContentTokenCount"),
                reasoning=counts.get("thoughtsTokenCount"),
            )
            usage = told or usage
        self.told = Told(usage, model)


def _unified(reason: str, *, has_calls: bool) -> str:
    if reason == "STOP":
        return "tool_calls" if has_calls else "stop"
    if reason in _LENGTH:
        return "length"
    return "content_filter" if reason in _FILTERED else reason.lower()
