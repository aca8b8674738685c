"""Events of a running turn: small, and read back as they were."""

import pytest

from core.model.events import BadEvent, Batch, Done, Event, Failed, Snapshot, Start, Usage, decode, encode
from core.model.tape import Reasoning, Text, ToolCall

EVENTS: list[Event] = [
    Start(1, "gpt-4o-mini"),
    Start(2, "m", "worker_lost"),
    Batch(1, 7, [Text("é"), Reasoning("hm"), ToolCall("1", "now", "{}")]),
    Snapshot(3, "m", [Text("all")], "handed_over"),
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


@pytest.mark.parametrize("body", [b"", b"{}", b"\x93\xa1b\x01\x07", b"\x91\xa7unknown", encode(EVENTS[2])[:-1]])
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        decode(body)
