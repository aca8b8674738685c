"""Events out of bytes: as WHATWG HTML 9.2 says, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.http.answer import MAX_EVENT_BYTES, SseSplitter
from core.providers.http.failures import Unreadable
from core.providers.http.reader import ServerEvent
from tests.unit.providers.reference import bodies, cut, events_of

STREAM = (
    b": a comment\n\n"
    b"data: one\n\n"
    b"id: 7\r\nevent: message\r\ndata: two\r\ndata:  of two lines\r\n\r\n"
    b"retry: 1000\n\n"
    b"data:three\n\n\n"
)
EVENTS = [b"one", b"two\n of two lines", b"three"]
PLACES = st.lists(st.integers(0, 10_000), max_size=20)
BYTES_OF_STREAMS = st.lists(
    st.sampled_from(
        [
            b"data",
            b"data:",
            b"data: x",
            b"event: error",
            b"event:",
            b":",
            b"id: 1",
            b"x: y",
            b" data: x",
            b"\xe2\x82",
            b"\xff",
        ]
        + [b"\n", b"\r", b"\r\n"] * 3
    ),
    max_size=40,
).map(b"".join)


def read(*pieces: bytes) -> list[ServerEvent]:
    splitter = SseSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


def test_the_data_of_whole_events_comes_out() -> None:
    assert [event.data for event in read(STREAM)] == EVENTS


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\rdata: b\r\rdata: c\r\n\r\n", [b"a\nb", b"c"]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: no field\n\n", [b"a"]),
        (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
        (b"data:a\n\ndata: a\n\ndata:  a\n\n", [b"a", b"a", b" a"]),
        (b"data: a: b\n\n", [b"a: b"]),
        (b"Data: no\nDATA: no\n data: no\n\n", []),
        (b"event: x\nid: 7\n\ndata: a\n\n", [b"a"]),
        (b"data: \xe2\x80\xa8\xc2\x85\x0b\x0c\x1c\n\n", [b"\xe2\x80\xa8\xc2\x85\x0b\x0c\x1c"]),  # no line ends here
        (b": data: no\n:\n\ndata: a\n: b\n\n", [b"a"]),
    ],
)
def test_sentences_of_the_standard(stream: bytes, events: list[bytes]) -> None:
    assert [event.data for event in read(stream)] == events
    assert [event.data for event in read(*(bytes([byte]) for byte in stream))] == events


@given(BYTES_OF_STREAMS, PLACES)
def test_any_bytes_are_read_as_a_plain_reading_does(stream: bytes, places: list[int]) -> None:
    expected = [(event.data, event.type == "error") for event in events_of(stream)]
    for pieces in ([stream], cut(stream, places), [bytes([byte]) for byte in stream]):
        assert [(event.data.decode("utf-8", "replace"), event.is_error) for event in read(*pieces)] == expected


@given(st.data(), st.lists(st.text(st.characters(exclude_characters="\r", codec="utf-8")), max_size=5), PLACES)
def test_events_come_through_whatever_stands_around_them(
    data: st.DataObject, payloads: list[str], places: list[int]
) -> None:
    body = data.draw(bodies(payloads))
    assert [event.data.decode() for event in read(*cut(body, places))] == payloads
    assert [event.data for event in events_of(body)] == payloads


@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_a_last_event_without_its_empty_line_counts_at_the_proper_end(end: bytes) -> None:
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\n\nevent: error\ndata: b" + end) == [ServerEvent(b"a")]
    assert splitter.feed(b"", is_last=True) == [ServerEvent(b"b", is_error=True)]
    assert SseSplitter().feed(b"data: a\n\ndata: b" + end, is_last=True) == [ServerEvent(b"a"), ServerEvent(b"b")]


def test_an_event_is_given_with_the_last_byte_that_it_needs() -> None:
    """A service whose lines end with CR alone may wait for a minute before it goes on."""
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\r\r") == [ServerEvent(b"a")]
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"data: b\r\n\r") == [ServerEvent(b"b")]
    assert splitter.feed(b"\ndata: c\n\n") == [ServerEvent(b"c")]


def test_an_error_in_a_field_of_its_own() -> None:
    assert read(b'error: {"code":400}\n\n') == [ServerEvent(b'{"code":400}', is_error=True)]
    assert read(b"error: none\n\ndata: a\n\n") == [ServerEvent(b"a")]


@pytest.mark.parametrize("more", [b"xx", b"\ndata: and more\n"])
def test_an_event_that_never_ends_does_not_fill_the_memory(more: bytes) -> None:
    events = SseSplitter()
    events.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 6))
    with pytest.raises(Unreadable):
        events.feed(more)


def test_events_that_end_may_be_many() -> None:
    events = SseSplitter()
    event = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + b"\n\n"
    assert [len(events.feed(event)) for _ in range(3)] == [1, 1, 1]
