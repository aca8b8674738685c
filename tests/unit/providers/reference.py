"""A plain reading of event streams, as WHATWG HTML 9.2.6 tells it, of a whole body at once; and bodies to read."""

import re
from typing import NamedTuple

from hypothesis import strategies as st

LINE_ENDS = (b"\n", b"\r\n", b"\r")


class Dispatched(NamedTuple):
    data: str
    type: str


def events_of(body: bytes) -> list[Dispatched]:
    """What a browser would dispatch. What follows the last empty line is no event."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    events, data, kind = [], "", ""
    *lines, _ = re.split("\r\n|\n|\r", text)
    for line in lines:
        if not line:
            if data:
                events.append(Dispatched(data.removesuffix("\n"), kind or "message"))
            data, kind = "", ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data += value + "\n"
    return events


def cut(body: bytes, places: list[int]) -> list[bytes]:
    cuts = sorted(place % (len(body) + 1) for place in places)
    return [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@st.composite
def bodies(draw: st.DrawFn, payloads: list[str]) -> bytes:
    """A legal event stream that dispatches these payloads in this order, with everything between them that may be: any
    line ends, comments, fields in any order, events without data, perhaps a byte order mark."""
    lines: list[str] = []
    for payload in payloads:
        if draw(st.booleans()):
            lines += [*draw(_OTHERS), ""]
        for line in payload.split("\n"):
            space = " " if line.startswith(" ") or draw(st.booleans()) else ""
            lines += [*draw(_OTHERS), f"data:{space}{line}"]
        lines += [*draw(_OTHERS), ""]
    return _with_ends(draw, lines)


def _with_ends(draw: st.DrawFn, lines: list[str]) -> bytes:
    body, end = (b"\xef\xbb\xbf" if draw(st.booleans()) else b""), b""
    for line in lines:
        is_of_the_same_end = not line and end == b"\r"  # as a line feed after a carriage return would be
        end = draw(st.sampled_from([each for each in LINE_ENDS if not (is_of_the_same_end and each == b"\n")]))
        body += line.encode() + end
    return body


_OTHERS = st.lists(
    st.sampled_from(
        [
            ": ping",
            ":",
            "id: 7",
            "id",
            "retry: 10",
            "event: message",
            "event:x",
            "unknown: field",
            "data_: no",
            "x",
            "\u2028",
        ]
    ),
    max_size=2,
)
