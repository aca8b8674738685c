"""The demo provider: deterministic, and scripted by the model's name."""

import asyncio

import pytest

from core.model.errors import ProviderDropped, ProviderError
from core.model.tape import Tape
from core.providers.base import (
    ContentPart,
    Data,
    Finish,
    ImageContent,
    Message,
    Provider,
    Request,
    Stream,
    TextContent,
    ToolCallRequest,
)
from core.providers.demo.provider import DemoProvider
from tests.unit.providers.conformance import Case, ProviderConformance

pytestmark = pytest.mark.anyio

PROVIDER = DemoProvider(pace=0)


async def _answer(request: Request, tape: Tape) -> Finish:
    """Its parts go to the tape, so that they are there even if it fails."""
    async for item in PROVIDER.stream(request):
        if isinstance(item, Finish):
            return item
        tape.extend(item)
    raise AssertionError("no finish")


def _request(model: str = "demo", text: str = "Hi  there", **more: object) -> Request:
    return Request(model, [Message("user", text)], **more)  # type: ignore[arg-type]


class TestDemo(ProviderConformance):
    @pytest.fixture
    def provider(self) -> Provider:
        return DemoProvider(pace=0.02)

    def ask(self, provider: Provider, case: Case) -> Stream:
        models = {
            Case.ANSWER: "demo",
            Case.LONG_ANSWER: "demo:long",
            Case.FAILURE: "demo:error",
            Case.DROP: "demo:drop",
            Case.UNKNOWN_MODEL: self.unknown_model,
        }
        return provider.stream(_request(models[case]))

    async def until_closed(self) -> None:
        """There is no service."""


async def test_the_same_question_gets_the_same_answer() -> None:
    first, second = Tape(), Tape()
    finish = await _answer(_request(), first)
    assert await _answer(_request(), second) == finish
    assert first == second
    assert first.text().startswith("You wrote: “Hi there”")
    assert finish.reason == "stop"
    assert finish.told.usage is not None
    assert (finish.told.usage.input_tokens, finish.told.usage.output_tokens > 50) == (2, True)


async def test_it_stops_at_max_tokens() -> None:
    whole, cut = Tape(), Tape()
    await _answer(_request(), whole)
    finish = await _answer(_request(options={"max_tokens": 3}), cut)
    assert (finish.reason, finish.told.usage and finish.told.usage.output_tokens) == ("length", 3)
    assert whole.text().startswith(cut.text())


async def test_what_fell_due_meanwhile_comes_together() -> None:
    stream = DemoProvider(pace=0.05).stream(_request())
    await anext(stream)
    await asyncio.sleep(0.01)  # ten tokens' time
    second = await anext(stream)
    assert isinstance(second, list)
    assert len(second) > 5
    await stream.aclose()


async def test_long_is_long() -> None:
    tape = Tape()
    await _answer(_request("demo:long"), tape)
    assert len(tape) > 10_000


async def test_error_fails_before_the_first_token() -> None:
    tape = Tape()
    with pytest.raises(ProviderError, match="asked to fail"):
        await _answer(_request("demo:error"), tape)
    assert len(tape) == 0


async def test_drop_breaks_off_in_the_first_attempt_alone() -> None:
    partial, whole = Tape(), Tape()
    with pytest.raises(ProviderDropped):
        await _answer(_request("demo:drop"), partial)
    assert (await _answer(_request("demo:drop", attempt=2), whole)).reason == "stop"
    assert 0 < len(partial) < len(whole)


async def test_drop_lets_an_answer_be_that_ends_before_its_middle() -> None:
    finish = await _answer(_request("demo:drop", options={"max_tokens": 3}), Tape())
    assert finish.reason == "length"


async def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ProviderError, match="gpt-4o"):
        await _answer(_request("gpt-4o"), Tape())


async def test_what_it_cannot_use_is_passed_over() -> None:
    plain, rich = Tape(), Tape()
    await _answer(_request(text="Hi there"), plain)
    content: list[ContentPart] = [TextContent("Hi"), ImageContent(Data("image/png", b"...")), TextContent("there")]
    messages = [
        Message("assistant", tool_calls=[ToolCallRequest("1", "now", "{}")]),
        Message("tool", "12:00", tool_call_id="1"),
        Message("user", content),
    ]
    await _answer(Request("demo", messages, tools=[{"type": "function"}], tool_choice="required"), rich)
    assert rich == plain
