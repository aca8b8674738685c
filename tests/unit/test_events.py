"""Events of a running turn: small, and read back as they were."""

import msgspec
import pytest

from core.model.events import BadEvent, Batch, Done, Event, Failed, Snapshot, Start, Usage, decode, encode
from core.model.parts import (
    Part,
    Reasoning,
    Refusal,
    StepBegun,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
    Unknown,
)

EVENTS: list[Event] = [
    Start(1, "gpt-4o-mini"),
    Start(2, "m", "worker_lost"),
    Batch(1, 7, [Text("é"), Reasoning("hm"), ToolCall("1", "now", "{}")]),
    Snapshot(3, "m", [Text("all")], "handed_over", [1, 2]),
    Batch(
        1, 0, [ToolCallBegun("1", "now"), ToolArguments("{}", 0), ToolResult("1", "noon"), StepBegun(2), Refusal("no")]
    ),
    Snapshot(1, "m", []),
    Done(1, 5, "stop", Usage(3, 4)),
    Done(1, 0, "cancelled"),
    Failed(2, 5, "provider_error", "it failed"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_the_encoding_round_trips(event: Event) -> None:
    assert decode(encode(event)) == event


def test_a_token_takes_few_bytes() -> None:
    assert len(encode(Batch(1, 100, [Text("token ")]))) <= len("token ") + 12


@pytest.mark.parametrize("body", [b"", b"{}", b"\x93\xa1b\x01\x07", encode(EVENTS[2])[:-1]])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        decode(body)


def test_an_event_of_a_later_release_is_passed_over() -> None:
    assert decode(msgspec.msgpack.encode(["of later", 1, {"more": True}])) is None


@pytest.mark.parametrize("event", EVENTS)
def test_fields_of_a_later_release_are_passed_over(event: Event) -> None:
    later = [*msgspec.msgpack.decode(encode(event)), "more", {"of": "it"}]
    defaults = len(event.__struct_fields__) + 1 - len(msgspec.msgpack.decode(encode(event)))
    assert defaults == 0, "an event that leaves fields out could not grow"
    assert decode(msgspec.msgpack.encode(later)) == event


@pytest.mark.parametrize("kind", [Batch, Snapshot])
def test_parts_of_a_later_release_are_kept_and_counted(kind: type[Batch] | type[Snapshot]) -> None:
    parts: list[Part] = [Text("a"), Unknown(["later", 1]), Unknown(["+grows", "four", 7]), Text("b")]
    event = Batch(1, 7, parts) if kind is Batch else Snapshot(1, "m", parts, "worker_lost", [1, 1, 2, 2, 1])
    again = decode(encode(event))
    assert again == event
    assert isinstance(again, Batch | Snapshot)
    assert [len(part) for part in again.parts] == [1, 1, 4, 1]


@pytest.mark.parametrize("part", [["t", 1], ["t"], [], ["+f"], [1], "t", {"t": 1}])
def test_a_known_part_that_is_wrong_is_no_part_of_a_later_release(part: object) -> None:
    with pytest.raises(BadEvent):
        decode(msgspec.msgpack.encode(["b", 1, 0, [part]]))
