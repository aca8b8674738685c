"""What every provider keeps to, whatever it speaks: a class of tests that each provider's own tests inherit."""

import asyncio
from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

import pytest

from core.model.errors import ProviderDropped, ProviderError
from core.model.parts import Part
from core.model.tape import Tape
from core.providers.base import Finish, Item, Provider, Stream

CLOSED_SECONDS = 10.0
"""In which a service notices that it is not listened to any more: less than it would be waited for."""


class Case(Enum):
    """What a provider can be brought to do. `Providing.ask` does."""

    ANSWER = "answers in several parts, with a usage"
    LONG_ANSWER = "answers slowly, or without an end"
    FAILURE = "fails before its first part, and would fail again"
    DROP = "breaks off after some parts"
    UNKNOWN_MODEL = "has no such model"


class Providing(ABC):
    """What the tests of a provider start from; a fixture of the name `provider` gives the provider itself."""

    unknown_model: ClassVar = "no-such-model"

    @abstractmethod
    def ask(self, provider: Provider, case: Case) -> Stream:
        """Bring the provider to it. A case that it cannot have is skipped, by `pytest.skip`."""

    @abstractmethod
    async def until_closed(self) -> None:
        """Returns when the service has no connection any more."""


class ProviderConformance(Providing):
    async def test_parts_come_first_and_then_exactly_one_finish(self, provider: Provider) -> None:
        items = [item async for item in self.ask(provider, Case.ANSWER)]
        assert isinstance(items[-1], Finish)
        parts = items[:-1]
        assert len(parts) > 0
        assert all(isinstance(item, list) and item for item in parts)
        assert items[-1].reason == "stop"

    async def test_nothing_comes_after_the_finish(self, provider: Provider) -> None:
        stream = self.ask(provider, Case.ANSWER)
        await read(stream)
        assert stream.ready_parts() == []
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    async def test_the_finish_tells_the_usage(self, provider: Provider) -> None:
        _, finish = await read(self.ask(provider, Case.ANSWER))
        assert finish.told.usage is not None
        assert finish.told.usage.input_tokens > 0
        assert finish.told.usage.output_tokens > 0

    async def test_the_answer_is_the_same_however_it_is_read(self, provider: Provider) -> None:
        tape, finish = await read(self.ask(provider, Case.ANSWER))
        assert await read_in_ticks(self.ask(provider, Case.ANSWER)) == (tape, finish)

    async def test_two_answers_at_once_do_not_mix(self, provider: Provider) -> None:
        alone = await read(self.ask(provider, Case.ANSWER))
        streams = [self.ask(provider, Case.ANSWER) for _ in range(2)]
        assert await asyncio.gather(*map(read, streams)) == [alone, alone]

    async def test_a_failure_before_the_first_part(self, provider: Provider) -> None:
        with pytest.raises(ProviderError) as raised:
            await anext(stream := self.ask(provider, Case.FAILURE))
        assert type(raised.value) is ProviderError
        assert not raised.value.transient
        await assert_over(stream)

    async def test_a_failure_after_the_first_part_is_a_drop(self, provider: Provider) -> None:
        stream, tape = self.ask(provider, Case.DROP), Tape()
        with pytest.raises(ProviderDropped):
            await read(stream, tape)
        assert len(tape) > 0
        await assert_over(stream)

    async def test_a_model_that_it_has_not_is_named(self, provider: Provider) -> None:
        with pytest.raises(ProviderError, match=self.unknown_model) as raised:
            await anext(self.ask(provider, Case.UNKNOWN_MODEL))
        assert not raised.value.transient

    async def test_an_answer_that_is_left_ends_at_its_service(self, provider: Provider) -> None:
        tasks = asyncio.all_tasks()
        stream = self.ask(provider, Case.LONG_ANSWER)
        await anext(stream)
        async with asyncio.timeout(CLOSED_SECONDS):
            await stream.aclose()
            await self.until_closed()
            await asyncio.gather(*asyncio.all_tasks() - tasks, return_exceptions=True)
        await stream.aclose()
        await assert_over(stream)

    async def test_an_answer_that_nobody_has_begun_to_read_can_be_left(self, provider: Provider) -> None:
        stream = self.ask(provider, Case.LONG_ANSWER)
        await stream.aclose()
        await assert_over(stream)

    async def test_a_reader_that_is_cancelled_leaves_nothing_open(self, provider: Provider) -> None:
        stream = self.ask(provider, Case.LONG_ANSWER)
        await anext(stream)
        reading = asyncio.create_task(read(stream))
        await asyncio.sleep(0)
        reading.cancel()
        async with asyncio.timeout(CLOSED_SECONDS):
            await asyncio.wait([reading])
            await self.until_closed()
        assert reading.cancelled()

    async def test_a_provider_can_be_closed_twice(self, provider: Provider) -> None:
        await read(self.ask(provider, Case.ANSWER))
        await provider.close()
        await provider.close()


async def read(stream: Stream, tape: Tape | None = None) -> tuple[Tape, Finish]:
    """To the end; `tape` holds what came before a failure."""
    tape = Tape() if tape is None else tape
    async for item in stream:
        if isinstance(item, Finish):
            return tape, item
        tape.extend(item)
    raise AssertionError("no finish")


async def read_in_ticks(stream: Stream, tape: Tape | None = None, tick: float = 0.005) -> tuple[Tape, Finish]:
    """As the turns of a busy process do it."""
    tape = Tape() if tape is None else tape
    item: Item = await anext(stream)
    while not isinstance(item, Finish):
        tape.extend(item)
        while parts := await _gathered(stream, tick):
            tape.extend(parts)
        item = await anext(stream)
    return tape, item


async def assert_over(stream: Stream) -> None:
    """Nothing comes of it any more."""
    assert stream.ready_parts() == []
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def _gathered(stream: Stream, tick: float) -> list[Part]:
    await asyncio.sleep(tick)
    return stream.ready_parts()
