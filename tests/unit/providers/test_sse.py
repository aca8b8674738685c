"""Events out of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.answer import MAX_EVENT_BYTES, SseSplitter
from core.providers.failures import Unreadable

STREAM = (
    b": a comment\n\n"
    b"data: one\n\n"
    b"id: 7\r\nevent: message\r\ndata: two\r\ndata:  of two lines\r\n\r\n"
    b"retry: 1000\n\n"
    b"data:three\n\n\n"
    b"data: of an event that does not end\n"
)
EVENTS = [b"one", b"two\n of two lines", b"three"]


def test_the_data_of_whole_events_comes_out() -> None:
    assert SseSplitter().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20).map(sorted))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    reader = SseSplitter()
    pieces = [STREAM[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


@pytest.mark.parametrize("more", [b"xx", b"\ndata:"])
def test_an_event_that_never_ends_does_not_fill_the_memory(more: bytes) -> None:
    events = SseSplitter()
    events.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 6))
    with pytest.raises(Unreadable):
        events.feed(more)


def test_events_that_end_may_be_many() -> None:
    events = SseSplitter()
    event = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + b"\n\n"
    assert [len(events.feed(event)) for _ in range(3)] == [1, 1, 1]
