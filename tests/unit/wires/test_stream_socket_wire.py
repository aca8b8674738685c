"""The wire of /ws/stream: one JSON object in each frame."""

import json
from typing import Any

import pytest

from api.streams.cursor import Cursor
from api.wires.base import Frames
from api.wires.pieces import FRAME_CHARS
from api.wires.stream_socket import StreamSocketWire
from core.model.errors import Closing
from core.model.events import Done, Usage
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Reasoning, Text, ToolCall
from tests.unit.wires.conformance import Reader, WireConformance
from tests.unit.wires.sinks import CONTEXT, Watching

pytestmark = pytest.mark.anyio


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
            case {"type": "goaway"}:
                self.ends.append("closing")
            case {"chunk": str(text)}:
                self.text += text
        if "id" in event:
            self.at = Cursor.parse(event["id"])


class TestStreamSocketWire(WireConformance):
    wire = StreamSocketWire
    reader = SocketReader


@pytest.fixture
def wire() -> StreamSocketWire:
    return StreamSocketWire(CONTEXT)


def events_of(frames: Frames) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in frames]


async def test_the_whole_turn_as_frames(wire: StreamSocketWire) -> None:
    feed = Feed(TurnKey("s", 7))
    feed.set_queue_position(2)
    async with Watching(feed, wire) as watching:
        feed.start(1, "m")
        feed.extend([Reasoning("hm"), Text("Bon"), Text("jour\n"), ToolCall("c1", "now", "{}")])
        feed.finish(Done(1, 11, "stop", Usage(5, 42)))
        await watching.end()
    assert watching.sink.frames == [
        b'{"type":"queued","position":2}',
        b'{"id":"7.1.0","type":"start","turn":7,"attempt":1,"model":"m"}',
        b'{"id":"7.1.2","reasoning":"hm"}',
        b'{"id":"7.1.10","chunk":"Bonjour\\n"}',
        b'{"id":"7.1.11","tool_call":{"id":"c1","name":"now","arguments":"{}"}}',
        b'{"id":"7.1.12","type":"done","finish_reason":"stop","usage":{"input_tokens":5,"output_tokens":42}}',
    ]


async def test_a_closing_process_sends_its_clients_away(wire: StreamSocketWire) -> None:
    assert events_of(wire.broken(Closing("the server restarts"))) == [
        {"type": "goaway", "reason": "the server restarts"}
    ]


async def test_a_long_text_is_cut_into_frames_that_every_client_takes(wire: StreamSocketWire) -> None:
    text = "".join(chr(0x1F600 + index % 50) for index in range(2 * FRAME_CHARS + 1))
    events = events_of(wire.grew([Reasoning("short"), Text(text)], Cursor(7, 1, 0)))
    assert [event["id"] for event in events] == [
        "7.1.5",
        f"7.1.{5 + FRAME_CHARS}",
        f"7.1.{5 + 2 * FRAME_CHARS}",
        f"7.1.{6 + 2 * FRAME_CHARS}",
    ]
    assert "".join(event.get("chunk", "") for event in events) == text
