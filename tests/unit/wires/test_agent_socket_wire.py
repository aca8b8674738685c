"""The wire of /ws/chat: the frames that docs/agents.schema.json has, the first clients' among them."""

import json
from typing import Any

import pytest

from api.streams.cursor import Cursor
from api.wires.agent_socket import AgentSocketWire
from api.wires.base import Frames, Unfinished, WireContext
from api.wires.pieces import FRAME_CHARS
from core.model.errors import Closing, NotFound
from core.model.events import Done, Failed, Usage
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Opaque, Part, Reasoning, Refusal, StepBegun, StepEnded, Text, ToolCall, ToolResult
from tests.agent_frames import check_server_frame
from tests.unit.wires.conformance import Reader, WireConformance
from tests.unit.wires.sinks import CONTEXT, Watching

pytestmark = pytest.mark.anyio

AT = Cursor(7, 1, 0)
PLACE = {"conversationId": "s", "turn": 7}


class SocketReader(Reader):
    def read(self, frame: bytes) -> None:
        event = json.loads(frame)
        match event:
            case {"type": "restart"}:
                self.text = ""
            case {"type": "done"}:
                self.ends.append("whole")
            case {"type": "error"}:
                self.ends.append("failed")
            case {"type": "token", "token": str(text)}:
                self.text += text
        if "id" in event:
            self.at = Cursor.parse(event["id"])

    def close(self, is_in_order: bool) -> None:
        """The connection says that it closes, once for all turns."""
        if not self.ends:
            self.ends.append("closing")


class TestAgentSocketWire(WireConformance):
    wire = AgentSocketWire
    reader = SocketReader


@pytest.fixture
def wire() -> AgentSocketWire:
    return AgentSocketWire(WireContext(key=TurnKey("s", 7), model="m", created_at=0))


def events_of(frames: Frames) -> list[dict[str, Any]]:
    events = [json.loads(frame) for frame in frames]
    for event in events:
        check_server_frame(event)
    return events


async def test_the_whole_turn_as_frames(wire: AgentSocketWire) -> None:
    feed = Feed(TurnKey("s", 7))
    feed.set_queue_position(2)
    async with Watching(feed, wire) as watching:
        feed.start(1, "m", provider="demo")
        call = ToolCall("c1", "now", '{"zone": "UTC"}')
        feed.extend([StepBegun(1), Reasoning("hm"), Text("Bon"), Text("jour"), Opaque("x.y", "z"), call])
        feed.extend([ToolResult("c1", "noon", name="now", seconds=0.25), StepEnded(1), Refusal("No.")])
        feed.finish(Done(1, len(feed.tape), "stop", Usage(3, 4, reasoning_tokens=1), "m-1", "demo"))
        await watching.end()
    frames = events_of(watching.sink.frames)
    assert frames == [
        {"type": "queued", **PLACE, "position": 2},
        {"type": "start", "model": "m", "provider": "demo", "attempt": 1, **PLACE, "id": "7.1.0"},
        {"type": "step", "step": 1, "name": "step 1", "status": "start", **PLACE, "id": "7.1.1"},
        {"type": "reasoning", "text": "hm", **PLACE, "id": "7.1.3"},
        {"type": "token", "token": "Bonjour", **PLACE, "id": "7.1.10"},
        tool("call", "7.1.12", arguments={"zone": "UTC"}),
        tool("result", "7.1.13", output="noon", isError=False, truncated=False, seconds=0.25),
        {"type": "step", "step": 1, "name": "step 1", "status": "end", **PLACE, "id": "7.1.14"},
        {"type": "refusal", "text": "No.", **PLACE, "id": "7.1.17"},
        {
            "type": "done",
            "finishReason": "stop",
            "usage": {"inputTokens": 3, "outputTokens": 4, "reasoningTokens": 1},
            "model": "m-1",
            "provider": "demo",
            **PLACE,
            "id": "7.1.18",
        },
    ]


def tool(phase: str, at: str, **payload: Any) -> dict[str, Any]:
    return {"type": "tool", "name": "now", "payload": {"callId": "c1", "phase": phase, **payload}, **PLACE, "id": at}


@pytest.mark.parametrize("arguments", ["", "{", "[1, 2", "nul"])
def test_arguments_that_are_no_json_come_as_they_are(wire: AgentSocketWire, arguments: str) -> None:
    (event,) = events_of(wire.grew([ToolCall("c1", "now", arguments)], AT))
    assert event["payload"]["arguments"] == arguments


def test_what_is_odd_about_a_result_is_told(wire: AgentSocketWire) -> None:
    result = ToolResult("c1", "?", True, "now", None, truncated=True, in_doubt=True)
    (event,) = events_of(wire.grew([result], AT))
    assert event["payload"] == {
        "callId": "c1",
        "phase": "result",
        "output": "?",
        "isError": True,
        "truncated": True,
        "inDoubt": True,
    }


def test_a_long_text_comes_in_pieces(wire: AgentSocketWire) -> None:
    long: list[Part] = [Text("a" * (FRAME_CHARS + 1))]
    events = events_of(wire.grew(long, AT))
    assert [len(event["token"]) for event in events] == [FRAME_CHARS, 1]
    assert [event["id"] for event in events] == [f"7.1.{FRAME_CHARS}", f"7.1.{FRAME_CHARS + 1}"]


@pytest.mark.parametrize("character", ["\x01", "\U0001f600", '"', "\u2028"])
@pytest.mark.parametrize("kind", [Text, Reasoning, Refusal])
def test_no_frame_of_text_has_64_kib(kind: type[Text | Reasoning | Refusal], character: str) -> None:
    wire = AgentSocketWire(WireContext(key=TurnKey("s" * 128, 999_999_999), model="m", created_at=0))
    frames = wire.grew([kind(character * 30_000)], Cursor(999_999_999, 999, 400_000))
    assert max(map(len, frames)) < 65_536


def test_a_failed_turn_ends_by_an_error(wire: AgentSocketWire) -> None:
    (event,) = events_of(wire.ended(AT, Failed(1, 0, "provider_error", "it failed")))
    assert event == {
        "type": "error",
        "message": "it failed",
        "code": "provider_error",
        "retryable": False,
        **PLACE,
        "id": "7.1.0",
    }


def test_a_stream_that_broke_off_says_so_without_an_end(wire: AgentSocketWire) -> None:
    (event,) = events_of(wire.broken(NotFound("it was deleted")))
    assert (event["code"], event["retryable"], "id" in event) == ("not_found", True, False)
    assert wire.broken(Closing("restarting")) == []


def test_who_knows_the_first_events_alone_gets_an_error_for_a_restart() -> None:
    context = WireContext(key=TurnKey("s", 7), model="m", created_at=0, asked={"knows_restarts": False})
    wire = AgentSocketWire(context)
    (event,) = events_of(wire.restarted(AT, "m", "", "worker_lost", has_sent=False))
    assert event["type"] == "restart"
    with pytest.raises(Unfinished) as caught:
        wire.restarted(AT, "m", "", "worker_lost", has_sent=True)
    (event,) = events_of(caught.value.last_words)
    assert (event["type"], event["code"]) == ("error", "restarted")


def test_every_moment_fits_the_schema() -> None:
    wire = AgentSocketWire(CONTEXT)
    events_of(wire.started(AT, "m", ""))
    events_of(wire.restarted(AT, "m", "openai", "worker_lost", has_sent=True))
    events_of(wire.ended(AT, Done(1, 0, "cancelled")))
