"""The plain text wire: the answer alone, and never half of it as if it were the whole."""

import pytest

from api.wires.base import Unfinished
from api.wires.text import TextWire
from core.model.errors import Closing
from core.model.events import Done, Failed
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Part, Reasoning, Refusal, StepBegun, StepEnded, Text, ToolCall, ToolResult
from core.model.tape import Tape
from tests.unit.wires.conformance import Reader, WireConformance
from tests.unit.wires.sinks import CONTEXT, Watching, read, settle

pytestmark = pytest.mark.anyio


class TextReader(Reader):
    def __init__(self) -> None:
        super().__init__()
        self.bytes = b""

    def read(self, frame: bytes) -> None:
        self.bytes += frame
        self.text = self.bytes.decode()

    def close(self, is_in_order: bool) -> None:
        """A body that ends in order is taken for the whole answer."""
        if is_in_order:
            self.ends.append("whole")


class TestTextWire(WireConformance):
    wire = TextWire
    reader = TextReader

    def text_of(self, tape: Tape) -> str:
        """Words of a refusal stand in an answer's place, and lines of an agent's steps amid it."""
        return "".join(map(shown, tape.slice()))


def shown(part: Part) -> str:
    match part:
        case Text(text) | Refusal(text):
            return text
        case StepBegun(number):
            return f"\n[step {number}]\n" if number > 1 else ""
        case ToolResult(_, content, is_error):
            return f"\n[tool{' failed' if is_error else ''}: {' '.join(content.split())}]\n"
        case _:
            return ""


@pytest.fixture
def wire() -> TextWire:
    return TextWire(CONTEXT)


@pytest.fixture
def feed() -> Feed:
    """A turn whose answer is there, but not its end."""
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    feed.extend([Reasoning("hm"), Text("Bon"), Text("jour\n"), ToolCall("c1", "now", "{}")])
    return feed


async def test_it_is_the_text_alone(feed: Feed, wire: TextWire) -> None:
    feed.finish(Done(1, 11, "stop"))
    assert await read(feed, wire) == b"Bonjour\n"


async def test_steps_and_results_of_tools_are_lines(wire: TextWire) -> None:
    feed = Feed(TurnKey("s", 7))
    feed.start(1, "m")
    call, result = ToolCall("c1", "now", "{}"), ToolResult("c1", "noon\n" * 99, name="now")
    feed.extend(
        [StepBegun(1), Text("Hm."), call, result, StepEnded(1), StepBegun(2), Text("It is noon."), StepEnded(2)]
    )
    feed.finish(Done(1, len(feed.tape), "stop"))
    noon = " ".join(["noon"] * 99)[:200]
    assert (await read(feed, wire)).decode() == f"Hm.\n[now: {noon}]\n\n[step 2]\nIt is noon."


async def test_it_breaks_off_rather_than_splice(feed: Feed, wire: TextWire) -> None:
    async with Watching(feed, wire) as watching:
        assert watching.body == b"Bonjour\n"
        feed.start(2, "m", "worker_lost")
        with pytest.raises(Unfinished):
            await watching.end()


async def test_a_restart_before_any_text_was_sent_goes_unseen(feed: Feed, wire: TextWire) -> None:
    feed.start(2, "m", "worker_lost")
    async with Watching(feed, wire) as watching:
        feed.extend([Reasoning("only thought of")])
        await settle()
        feed.start(3, "m", "worker_lost")
        feed.extend([Text("Salut")])
        feed.finish(Done(3, 5, "stop"))
        await watching.end()
        assert watching.body == b"Salut"


async def test_it_breaks_off_at_an_error(feed: Feed, wire: TextWire) -> None:
    feed.finish(Failed(1, 11, "provider_error", "it failed"))
    with pytest.raises(Unfinished, match="it failed"):
        await read(feed, wire)


async def test_it_breaks_off_where_its_process_closes_and_says_by_what(feed: Feed, wire: TextWire) -> None:
    feed.fail(Closing("restarting"))
    with pytest.raises(Unfinished) as caught:
        await read(feed, wire)
    assert isinstance(caught.value.__cause__, Closing)
