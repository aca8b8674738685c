"""Any legal stream gives the text that a plain reading of it gives, however it is cut; and no text is lost that came
before what is illegal."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.model.parts import Part, Text
from core.model.tape import Tape
from core.providers.base import Finish
from core.providers.http.answer import SseSplitter
from core.providers.http.failures import ServiceFailure
from core.providers.openai.chunks import ChunkReader
from tests.unit.providers.reference import bodies, cut, events_of

PLACES = st.lists(st.integers(0, 100_000), max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda values: (
        st.lists(values, max_size=2) | st.dictionaries(st.sampled_from(["a", "text", "id"]), values, max_size=2)
    ),
    max_leaves=5,
)
EXTRAS = st.dictionaries(
    st.sampled_from(
        ["id", "created", "model", "object", "usage", "timings", "system_fingerprint", "x", "prompt_logprobs"]
    ),
    JSON,
    max_size=3,
)
OF_A_CHOICE = st.dictionaries(
    st.sampled_from(["logprobs", "stop_reason", "token_ids", "native_finish_reason"]), JSON, max_size=2
)
OF_A_DELTA = st.dictionaries(
    st.sampled_from(["role", "audio", "annotations", "tool_calls", "function_call"]), JSON, max_size=2
)


@st.composite
def chunks(draw: st.DrawFn) -> dict[str, Any]:
    """One of a text, one of a thought, or one of both."""
    said: dict[str, Any] = draw(OF_A_DELTA) | {
        "content": draw(st.none() | TEXTS),
        draw(st.sampled_from(["reasoning", "reasoning_content"])): draw(st.none() | TEXTS),
    }
    index: dict[str, Any] = draw(st.sampled_from([{}, {"index": 0}, {"index": None}]))
    finish: dict[str, Any] = draw(st.sampled_from([{}, {"finish_reason": None}, {"finish_reason": ""}]))
    return draw(EXTRAS) | {"choices": [draw(OF_A_CHOICE) | index | {"delta": said} | finish]}


FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    payloads: list[Any] = [*draw(st.lists(chunks(), max_size=6)), FINISH]
    if draw(st.booleans()):
        payloads.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    indent = draw(st.sampled_from([None, None, 1]))
    ascii_only = draw(st.booleans())
    written = [json.dumps(payload, indent=indent, ensure_ascii=ascii_only).replace("\r", "\\r") for payload in payloads]
    return draw(bodies([*written, *(["[DONE]"] if draw(st.booleans()) else [])]))


def plain_reading(body: bytes) -> tuple[str, str]:
    """Text and thoughts."""
    text, thoughts = "", ""
    for event in events_of(body):
        if event.data == "[DONE]":
            break
        for choice in json.loads(event.data)["choices"]:
            text += choice["delta"].get("content") or ""
            thoughts += choice["delta"].get("reasoning_content") or choice["delta"].get("reasoning") or ""
    return text, thoughts


def read(pieces: list[bytes]) -> tuple[Tape, Finish | None, ServiceFailure | None]:
    splitter, reader, parts = SseSplitter(), ChunkReader(), list[Part]()
    try:
        for piece in pieces:
            reader.read(splitter.feed(piece), parts)
        reader.read(splitter.feed(b"", is_last=True), parts)
        more, finish = reader.end() or ([], None)
    except ServiceFailure as failure:
        return Tape(parts), None, failure
    return Tape([*parts, *more]), finish, None


@given(streams(), PLACES)
def test_a_legal_stream_is_read_as_a_plain_reading_does(body: bytes, places: list[int]) -> None:
    tape, finish, failure = read(cut(body, places))
    assert failure is None
    assert (tape.text(), tape.reasoning()) == plain_reading(body)
    assert finish is not None


@given(streams(), PLACES)
def test_the_last_line_ends_may_be_left_out(body: bytes, places: list[int]) -> None:
    tape, finish, failure = read(cut(body.rstrip(b"\r\n"), places))
    assert failure is None
    assert (tape.text(), tape.reasoning()) == plain_reading(body)
    assert finish is not None


def chunk_of(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


ILLEGAL = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=60).map(lambda raw: b"data: " + raw + b"\n\n"),
    JSON.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n"),
    JSON.map(lambda value: b"data: " + json.dumps({"choices": value}).encode() + b"\n\n"),
    JSON.map(lambda value: b"data: " + json.dumps({"choices": [{"delta": value}]}).encode() + b"\n\n"),
    JSON.map(lambda value: b"data: " + json.dumps({"choices": [{"delta": {"tool_calls": value}}]}).encode() + b"\n\n"),
    JSON.map(lambda value: b"data: " + json.dumps({"error": value}).encode() + b"\n\n"),
    TEXTS.map(lambda text: chunk_of(text)[:-7] + b"\n\n"),
    st.sampled_from(
        [b"data: [\n\n" * 20, b'data: "\\ud83d"\n\n', b"data: " + b"[" * 5000 + b"\n\n", b"\xff" * 9, b"<p>"]
    ),
)


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4), ILLEGAL, st.lists(TEXTS, max_size=3), PLACES)
def test_no_text_before_the_illegal_place_is_lost(
    before: list[str], illegal: bytes, after: list[str], places: list[int]
) -> None:
    body = b"".join([*map(chunk_of, before), illegal, *map(chunk_of, after)])
    tape, _, _ = read(cut(body, places))
    assert tape.text().startswith("".join(before))


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4), st.integers(1, 100), PLACES)
def test_no_text_before_a_break_is_lost(texts: list[str], missing: int, places: list[int]) -> None:
    """Of a connection: there is no proper end then."""
    body = b"".join(map(chunk_of, texts))
    whole = plain_reading(body[: -min(missing, len(body))])[0]
    splitter, reader, parts = SseSplitter(), ChunkReader(), list[Part]()
    for piece in cut(body[: -min(missing, len(body))], places):
        reader.read(splitter.feed(piece), parts)
    assert "".join(part.text for part in parts if isinstance(part, Text)) == whole
