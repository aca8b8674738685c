"""Whatever comes: no error, nothing that a terminal or a page would obey, and no more than came."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.telemetry.log_stream.record import encode_record
from logs.records.escapes import clean
from logs.records.joining import Line, Splitter
from logs.records.parsing import MOST_BYTES, parse_line
from logs.records.tokens import figures_in
from logs.records.traces import TraceJoiner

SGR = re.compile(r"\x1b\[[0-9;:]*m")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

PARTS = st.sampled_from(
    [
        *("\x1b[31m", "\x1b]0;t\x07", "\x1b[?1h", "\x1b", "\x9b", "\x00", "\r", "\u202e", "\ud800", "é", "\x1bP", "="),
        *('{"', '"}', '"level":', '"time":', "1e400", "NaN", "-", "1795950000", "2026-11-29T11:00:00Z", "[info] ", " "),
        *('"msg":"', '"usage":{"prompt_tokens":', "level=info ", 'msg="', '"', "\\", "\\u001b", "\\ud800", "<34>1 "),
        *("Nov 29 11:00:00", "I1129 11:00:00.1", "1:M 29 Nov 2026 ", "Traceback (most recent call last):", "\n  at "),
        *("[", "]", "{", "}", ":", ",", "5", " tokens/sec", "Model: x Latency: ", "9999-12-31T23:59:59-14:00", "0001-"),
    ]
)
HOSTILE = st.one_of(
    st.text(max_size=200),
    st.lists(PARTS, max_size=30).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["level", "ts", "msg", "s"]), inner)
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps({"msg": value, "time": value, "level": value, "usage": value})),
)
TIMES = st.floats(0, 4e9)


def is_clean(text: str) -> bool:
    return not CONTROLS.search(SGR.sub("", text))


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts_in(item)


@given(HOSTILE, TIMES, st.none() | TIMES)
def test_every_line_is_a_record_that_can_be_sent(text: str, arrived: float, said: float | None) -> None:
    record = parse_line(text, "web", arrived=arrived, said=said)
    figures_in(record)
    assert is_clean(record.message)
    encoded = encode_record(record)
    assert all(map(is_clean, texts_in(json.loads(encoded))))
    assert b"\n" not in encoded


@given(HOSTILE)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    once = clean(text)
    assert is_clean(once)
    assert len(once) <= 8 * len(text)


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_bytes_in_any_pieces_are_the_same_lines(pieces: list[bytes]) -> None:
    splitter = Splitter()
    lines = [line for piece in pieces for line, _ in splitter.feed(piece)]
    lines += [rest[0]] if (rest := splitter.rest()) else []
    assert "\n".join(lines) == b"".join(pieces).decode("utf-8", "replace").removesuffix("\n")


@given(st.lists(HOSTILE.map(lambda text: text.replace("\n", " ")), max_size=20))
def test_joining_keeps_every_line_that_has_text(texts: list[str]) -> None:
    joiner = TraceJoiner()
    joined = [line for text in texts if (line := joiner.add(Line(text, 0.0)))]
    joined += [line] if (line := joiner.flush()) else []
    kept = [part for line in joined for part in line.text.split("\n")]
    assert [text for text in kept if text.strip()] == [text for text in texts if text.strip()]


def test_a_line_that_is_far_too_long_takes_no_more_than_its_share() -> None:
    splitter = Splitter()
    chunk = b"[" * 65536
    for _ in range(64):
        assert not list(splitter.feed(chunk))
    ((text, cut),) = splitter.feed(b"\n")
    assert (len(text), cut) == (MOST_BYTES, 60 * 65536)


def test_hostile_long_lines_are_quick_enough_to_end() -> None:
    """A pattern that backtracks would take hours."""
    for part in (
        "\x1b]",
        "\x9b",
        "(",
        "a.",
        "a=[",
        "a='",
        '{"a":',
        "[info] ",
        "[",
        " ",
        "a-",
        "\\",
        'a="',
        "\t",
        "<",
        "#1 ",
    ):
        text = part * (MOST_BYTES // len(part))
        joiner = TraceJoiner()
        for before in ("ERROR x", "panic: x", "Traceback (most recent call last):"):
            joiner.add(Line(before, 0.0))
            joiner.add(Line(text, 0.0))
        for start in ("", "2026-11-29T11:00:00Z [info     ] ", "level=info msg=", "1.2.3.4 - - "):
            figures_in(parse_line(start + text, "web", arrived=1.0))
