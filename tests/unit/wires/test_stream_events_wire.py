"""The wire of watchers: what holds for every wire, and the events by their schema."""

import json
from typing import Any

import pytest

from api.streams.cursor import Cursor
from api.watchers.framing import SocketFraming
from api.wires.base import Frames, WireContext
from api.wires.pieces import FRAME_CHARS
from api.wires.stream_events import StreamEventsWire
from core.model.errors import Closing
from core.model.events import Done, Failed, Usage
from core.model.keys import TurnKey
from core.model.parts import (
    Opaque,
    Part,
    Reasoning,
    Refusal,
    StepBegun,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
)
from core.store.turns.records import Labels
from tests.unit.wires.conformance import Reader, WireConformance
from tests.unit.wires.sinks import CONTEXT
from tests.watching import Event

AT = Cursor(1, 1, 0)


def events_of(frames: Frames) -> list[Event]:
    """Held to the schema."""
    told = [json.loads(frame) for frame in frames]
    events = [Event(frame["event"], frame["data"]) for frame in told]
    for event in events:
        event.check()
    return events


def make(**context: Any) -> StreamEventsWire:
    about = WireContext(key=TurnKey("s", 1), model="m", created_at=1_800_000_000.0, **context)
    return SocketFraming().wire(about, has_started=False)


class ScreenOfEvents(Reader):
    """A client that trims nothing: what it is told after its cursor has to fit."""

    def read(self, frame: bytes) -> None:
        (event,) = events_of([frame])
        match event.name:
            case "llm.stream.chunk":
                self.text += event.data["chunk"]
            case "llm.stream.restart":
                self.text = ""
            case "llm.stream.end":
                self.ends.append("whole")
            case "llm.stream.error":
                self.ends.append("failed")
        if "id" in event.data:
            self.at = Cursor.parse(event.data["id"])

    def close(self, is_in_order: bool) -> None:
        """A connection that closes says so by itself, once for all streams."""
        if is_in_order and not self.ends:
            self.ends.append("closing")


class TestStreamEventsWire(WireConformance):
    wire = StreamEventsWire
    reader = ScreenOfEvents

    def make(self) -> StreamEventsWire:
        return SocketFraming().wire(CONTEXT, has_started=False)

    def test_growth_is_told_in_the_same_bytes_to_all(self) -> None:
        """Not to all: the chunks of each client are counted."""
        one, other = self.make(), self.make()
        one.grew([Text("a")], AT)
        told = [events_of(wire.grew([Text("b")], Cursor(1, 1, 1)))[0].data["index"] for wire in (one, other)]
        assert told == [1, 0]
        assert not self.wire.shares_frames


def test_labels_are_told_where_they_are_given() -> None:
    wire = make(labels=Labels("trip", "item", "run", {"team": "blue"}), mode="direct", started_at=1_800_000_001.5)
    (queued,) = events_of(wire.queued(3))
    (start,) = events_of(wire.started(AT, "m", "openai"))
    (chunk,) = events_of(wire.grew([Text("a")], AT))
    for event in (queued, start):
        assert {name: event.data[name] for name in ("goalId", "workItemId", "runId", "metadata", "mode")} == {
            "goalId": "trip",
            "workItemId": "item",
            "runId": "run",
            "metadata": {"team": "blue"},
            "mode": "direct",
        }
    assert (start.data["queuedAt"], start.data["startedAt"]) == (1_800_000_000_000, 1_800_000_001_500)
    assert (chunk.data["requestId"], chunk.data["goalId"]) == ("s.1", "trip")
    assert "workItemId" not in chunk.data
    (bare,) = events_of(make().started(AT, "m", ""))
    assert not {"goalId", "workItemId", "runId", "metadata", "provider"} & bare.data.keys()


def test_what_is_no_text_is_never_in_the_chunk() -> None:
    parts: list[Part] = [
        Reasoning("hm"),
        Reasoning("m"),
        Text("a"),
        Text("b"),
        ToolCallBegun("c1", "look"),
        ToolArguments("{}", 0),
        ToolCall("c2", "go", "{}"),
        ToolResult("c2", "gone", is_error=True),
        StepBegun(2),
        Opaque("gemini", "x"),
        Refusal("no"),
    ]
    told = events_of(make().grew(parts, AT))
    chunks = [event.data for event in told if event.name == "llm.stream.chunk"]
    assert [(chunk["chunk"], chunk.get("reasoning"), chunk.get("refusal")) for chunk in chunks] == [
        ("", "hmm", None),
        ("ab", None, None),
        ("", None, "no"),
    ]
    assert [(chunk["index"], chunk["tokens"], chunk["position"], chunk["id"]) for chunk in chunks] == [
        (0, 2, 0, "1.1.3"),
        (1, 2, 3, "1.1.5"),
        (2, 1, 12, "1.1.14"),
    ]
    tools = [event.data for event in told if event.name == "llm.stream.tool"]
    assert [tool["phase"] for tool in tools] == ["begun", "arguments", "call", "result"]
    assert (tools[3]["callId"], tools[3]["result"], tools[3]["isError"]) == ("c2", "gone", True)


def test_a_long_text_comes_in_pieces() -> None:
    told = events_of(make().grew([Text("ä" * (2 * FRAME_CHARS + 5))], AT))
    assert [len(event.data["chunk"]) for event in told] == [FRAME_CHARS, FRAME_CHARS, 5]
    assert [event.data["tokens"] for event in told] == [1, 0, 0]
    assert told[2].data["id"] == f"1.1.{2 * FRAME_CHARS + 5}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "stop"), ("tool_calls", "stop"), ("length", "length"), ("cancelled", "error"), ("odd", "error")],
)
def test_an_answer_that_is_not_whole_does_not_look_so(reason: str, told: str) -> None:
    wire = make()
    wire.grew([Text("a")], AT)
    (end,) = events_of(wire.ended(Cursor(1, 1, 2), Done(1, 1, reason, Usage(3, 5, None, 2), "gpt", "openai")))
    assert (end.data["finishReason"], end.data["reason"], end.data["tokensUsed"]) == (told, reason, 8)
    assert end.data["usage"] == {"inputTokens": 3, "outputTokens": 5, "reasoningTokens": 2}
    assert (end.data["totalChunks"], end.data["position"], end.data["id"]) == (1, 1, "1.1.2")


def test_tokens_are_0_where_nobody_told_them() -> None:
    (end,) = events_of(make().ended(Cursor(1, 1, 1), Done(1, 0, "stop")))
    assert end.data["tokensUsed"] == 0
    assert "usage" not in end.data


def test_an_error_has_its_code_and_what_came_before_it() -> None:
    wire = make()
    wire.grew([Text("a")], AT)
    (error,) = events_of(wire.ended(Cursor(1, 2, 2), Failed(2, 1, "provider_error", "it failed")))
    assert error.name == "llm.stream.error"
    assert (error.data["error"], error.data["code"], error.data["totalChunks"]) == ("it failed", "provider_error", 1)


def test_another_model_than_was_told_is_no_second_start() -> None:
    wire = make()
    wire.started(AT, "m", "openai")
    (event,) = events_of(wire.started(AT, "n", "gemini"))
    assert (event.name, event.data["reason"], event.data["model"]) == ("llm.stream.restart", "fallback", "n")


def test_a_stream_does_not_end_because_its_process_closes() -> None:
    assert make().broken(Closing("the server restarts")) == []
    (error,) = events_of(make().broken(RuntimeError("a bug")))
    assert (error.name, error.data["code"], error.data["error"]) == (
        "llm.stream.error",
        "internal_error",
        "internal error",
    )


def test_what_is_passed_over_is_counted_and_its_chunks_are_not() -> None:
    wire = make()
    wire.passes_over = True
    assert wire.grew([Text("a"), Text("b")], AT) == []
    wire.passes_over = False
    (chunk,) = events_of(wire.grew([Text("c")], Cursor(1, 1, 2)))
    assert (wire.missed, chunk.data["index"], chunk.data["position"]) == (2, 0, 2)
