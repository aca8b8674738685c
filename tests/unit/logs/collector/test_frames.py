"""Docker's frames, cut anywhere; and where one goes on in a stream that is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.collector.docker.frames import BadFrame, FramedLines, Frames, TerminalLines
from logs.collector.resuming import Resuming, nanoseconds, since_of

PAYLOADS = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=10)
TIMES = st.lists(st.integers(1, 6), max_size=30).map(sorted)


@given(PAYLOADS, st.integers(1, 30))
def test_frames_in_any_pieces(payloads: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for stream, text in payloads)
    frames = Frames()
    found = [frame for start in range(0, len(data), size) for frame in frames.feed(data[start : start + size])]
    assert found == [("stdout" if stream == 1 else "stderr", text) for stream, text in payloads]


@pytest.mark.parametrize("data", [b"2026-11-29T", b"\1\0\0\1\0\0\0\1", b"\1\0\0\0\xff\0\0\0", b"HTTP/1.1"])
def test_what_are_no_frames(data: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Frames().feed(data))


@given(st.lists(st.binary(max_size=60)))
def test_lines_of_any_bytes(chunks: list[bytes]) -> None:
    framed, terminal = FramedLines(), TerminalLines()
    for chunk in chunks:
        for line, ns in (*framed.feed(chunk), *terminal.feed(chunk)):
            assert line.cut == 0
            assert ns >= 0


def test_pieces_have_one_time_and_a_line_without_end_ends_with_the_next_time() -> None:
    lines = FramedLines()
    first, second = b"2026-11-29T12:00:00.000000001Z ", b"2026-11-29T12:00:00.000000002Z "
    assert list(lines.feed(first + b"a" * 5)) == []
    ((line, ns),) = lines.feed(first + b"b\n")
    assert (line.text, ns % 10) == ("aaaaab", 1)
    assert list(lines.feed(first + b"without end")) == []
    (one, two) = lines.feed(second + b"next\r\n")
    assert (one[0].text, one[1] % 10, two[0].text, two[1] % 10) == ("without end", 1, "next", 2)


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [
        ("1970-01-02T00:00:00Z", None),
        ("2026-11-29T12:00:00Z", 1_795_953_600_000_000_000),
        ("2026-11-29T12:00:00.5Z", 1_795_953_600_500_000_000),
        ("2026-11-29T12:00:00.123456789Z", 1_795_953_600_123_456_789),
        ("2026-11-29T13:00:00.123456789+01:00", 1_795_953_600_123_456_789),
        ("2026-11-29T12:00:00", None),
        ("2026-11-29T12:00:00.1234567890Z", None),
        ("hello", None),
        ("", None),
    ],
)
def test_times_to_the_nanosecond(stamp: str, ns: int | None) -> None:
    assert nanoseconds(stamp) == ns


def test_since_is_a_text_of_nine_decimals() -> None:
    assert since_of(1_795_953_600_000_000_001) == "1795953600.000000001"
    assert since_of(-5) == "0.000000000"


@given(TIMES, st.data())
def test_reading_again_passes_over_what_was_read(times: list[int], data: st.DataObject) -> None:
    """Wherever it broke off, and from wherever before that it is read again."""
    read = data.draw(st.integers(0, len(times)))
    first = Resuming(None)
    assert all(first.is_new(ns) for ns in times[:read])
    again = Resuming(first.place if read else None)
    lowest = times[read - 1] if read else 0
    start = data.draw(st.integers(0, next((n for n, ns in enumerate(times) if ns == lowest), 0)))
    assert [n for n, ns in enumerate(times[start:], start) if again.is_new(ns)] == list(range(read, len(times)))
