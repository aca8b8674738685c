"""Chunks of the Gemini API, in the three ways in which they come."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.events import Usage
from core.model.parts import Opaque, Part, Reasoning, Text, ToolCall
from core.providers.base import Finish, Told
from core.providers.gemini.chunks import SIGNATURE, ChunkReader, choose_splitter
from core.providers.http.failures import ReportedError, Unreadable
from core.providers.http.reader import MAX_WHOLE_CHARS, MAX_WHOLE_PARTS, ServerEvent
from tests.unit.providers.http_providing import Ending


def chunk(*parts: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], **more}


def read(*chunks: dict[str, Any], by: ChunkReader | None = None) -> list[Part]:
    parts: list[Part] = []
    (by or ChunkReader()).read([ServerEvent(json.dumps(each).encode()) for each in chunks], parts)
    return parts


def read_all(*chunks: dict[str, Any]) -> tuple[list[Part], Finish | None]:
    parts = read(*chunks, by=(reader := ChunkReader()))
    more, finish = reader.end() or ([], None)
    return parts + more, finish


def test_a_whole_answer() -> None:
    usage = {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 5}
    parts, finish = read_all(
        chunk({"text": "Hm.", "thought": True}, usageMetadata={"promptTokenCount": 9}, modelVersion="gemini-x"),
        chunk({"text": "Hel"}),
        chunk({"text": "lo"}, {"text": "", "thoughtSignature": "c2ln"}, reason="STOP", usageMetadata=usage),
    )
    assert parts == [Reasoning("Hm."), Text("Hel"), Text("lo"), Opaque(SIGNATURE, "c2ln")]
    assert finish == Ending("stop", Told(Usage(9, 8), "gemini-x"))


def test_calls_come_whole_and_are_why_the_answer_ends() -> None:
    first = {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "s"}
    parts, finish = read_all(chunk(first), chunk({"functionCall": {"name": "g"}}, reason="STOP"))
    assert isinstance(parts[2], ToolCall)
    assert parts == [ToolCall("a", "f", '{"x":1}'), Opaque(SIGNATURE, "s"), ToolCall(parts[2].id, "g", "{}")]
    assert parts[2].id.startswith("call_")
    assert finish == Ending("tool_calls")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("OF_LATER", "of_later"),
    ],
)
def test_how_an_answer_ends(told: str, reason: str) -> None:
    assert read_all(chunk({"text": "a"}, reason=told)) == ([Text("a")], Ending(reason))


@pytest.mark.parametrize(
    ("told", "is_passing"),
    [
        ("MALFORMED_FUNCTION_CALL", True),
        ("OTHER", True),
        ("UNEXPECTED_TOOL_CALL", False),
        ("MISSING_THOUGHT_SIGNATURE", False),
        ("LANGUAGE", False),
    ],
)
def test_an_end_that_is_a_failure(told: str, is_passing: bool) -> None:
    with pytest.raises(ReportedError, match=told) as raised:
        read_all(chunk({"text": "a"}, reason=told))
    error = raised.value.error
    assert (error.is_passing, error.is_of_request) == (is_passing, not is_passing)  # the latter opens no circuit


@pytest.mark.parametrize("between", [": it's 5\" wide\n", ": {keep-alive\n", "event: message\n", 'note: "{\n'])
def test_what_stands_between_events_hides_no_error(between: str) -> None:
    begin = between.encode() + b"data: " + json.dumps(ANSWER[1]).encode() + b"\r\n\r\n"
    with pytest.raises(ReportedError, match="overloaded"):
        read_body(begin + between.encode(), json.dumps(ERROR, indent=1).encode() + b"\n")


def test_long_answers_are_looked_at_once() -> None:
    """However small the pieces: of a quarter of a megabyte, in one string of one object."""
    whole = json.dumps([chunk({"text": "x\\" * 125_000})]).encode()
    looked_at = time.process_time()
    parts, _ = read_body(*(whole[at : at + 256] for at in range(0, len(whole), 256)))
    assert sum(map(len, parts)) == 250_000
    assert time.process_time() - looked_at < 5


def test_too_many_calls_are_no_answer() -> None:
    call = {"functionCall": {"name": "f"}}
    with pytest.raises(Unreadable):
        read(*[chunk(call)] * (MAX_WHOLE_PARTS + 1))
    with pytest.raises(Unreadable):
        read(chunk({"text": "", "thoughtSignature": "x" * (MAX_WHOLE_CHARS + 1)}))


def test_an_error_in_another_s_shape() -> None:
    with pytest.raises(ReportedError, match="Not Found"):
        read({"detail": "Not Found"})


def test_a_question_that_is_blocked_has_no_candidate() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}
    assert read_all(blocked) == ([], Ending("content_filter", Told(Usage(5, 0))))


def test_an_end_without_a_reason_is_none() -> None:
    assert read_all(chunk({"text": "a"}), chunk(reason="FINISH_REASON_UNSPECIFIED")) == ([Text("a")], None)


def test_a_second_candidate_is_passed_over() -> None:
    other = {"content": {"parts": [{"text": "b"}]}, "index": 1, "finishReason": "SAFETY"}
    both = {"candidates": [chunk({"text": "a"})["candidates"][0], other]}
    assert read_all(both, chunk(reason="STOP")) == ([Text("a")], Ending("stop"))


ANSWER = [
    chunk({"text": "Hm. {", "thought": True}),
    chunk({"text": 'é "quoted" \\ }{ [ 🫖\n'}),
    chunk({"text": "done"}, reason="STOP", usageMetadata={"promptTokenCount": 1, "candidatesTokenCount": 2}),
]
ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
WAYS = {
    "events": b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in ANSWER),
    "a list": json.dumps(ANSWER, indent=2).encode(),
    "a list on one line": json.dumps(ANSWER, ensure_ascii=False).encode(),
    "lines": b"".join(json.dumps(each).encode() + b"\n" for each in ANSWER),
}


def read_body(*pieces: bytes) -> tuple[list[Part], ChunkReader]:
    reader, parts, unread = ChunkReader(), list[Part](), b""
    splitter = None
    for place, piece in enumerate(pieces):
        unread += piece
        splitter = splitter or choose_splitter(unread)
        if splitter is not None:
            reader.read(splitter.feed(unread, is_last=place == len(pieces) - 1), parts)
            unread = b""
    return parts, reader


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@given(data=st.data())
def test_the_ways_in_which_an_answer_comes(way: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(way)), max_size=12)))
    pieces = [way[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(way)], strict=True)]
    parts, reader = read_body(*pieces)
    assert parts == [Reasoning("Hm. {"), Text('é "quoted" \\ }{ [ 🫖\n'), Text("done")]
    assert reader.end() == ([], Ending("stop", Told(Usage(1, 2))))


@pytest.mark.parametrize(
    "error",
    [
        b"data: " + json.dumps(ERROR).encode() + b"\r\n\r\n",
        json.dumps(ERROR).encode() + b"\n",
        json.dumps(ERROR, indent=2).encode() + b"\n",
        json.dumps([ERROR], indent=2).encode() + b"\n",
    ],
    ids=["an event", "a line", "several lines", "a list"],
)
def test_an_error_in_mid_stream_is_never_passed_over(error: bytes) -> None:
    begin = b"data: " + json.dumps(ANSWER[1]).encode() + b"\r\n\r\n"
    with pytest.raises(ReportedError, match="overloaded") as raised:
        read_body(begin, error)
    assert raised.value.error.is_passing
