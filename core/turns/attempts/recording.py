"""Recording: what a model says gets onto the tape of its turn, within the limits, as all processes can read it."""

from collections.abc import Callable

from core.model.feed import Feed
from core.model.parts import Part, Reasoning
from core.model.tape import Tape
from core.providers.base import Finish, Item, Kept, Stream
from core.turns.attempts.compatibility import ReadableParts
from core.turns.attempts.rest import Joint
from core.turns.attempts.stages import Stages
from core.turns.attempts.steps import Steps
from core.turns.attempts.whole_calls import WholeCalls
from core.turns.services import RunServices
from core.version import FORMAT


class TooLong(Exception):
    """The answer has MAX_ANSWER_CHARS."""


class Recording:
    """Of one answer of a model."""

    def __init__(self, feed: Feed, services: RunServices, steps: Steps, stages: Stages) -> None:
        oldest = services.oldest_format()
        self._feed = feed
        self._services = services
        self._steps = steps
        self._stages = stages
        self._readable = ReadableParts(oldest) if oldest < FORMAT else None
        """Only while there are older processes."""
        self._whole_calls = WholeCalls() if steps.are_made_here else None
        self._joint: Joint | None = None

    async def record(self, first: Item, stream: Stream, joint: Joint | None, on_kept: Callable[[Kept], None]) -> Finish:
        """To its end. `joint`: for the rest of one that broke off. Raises TooLong, ProviderError."""
        self._joint = joint
        item = first
        while not isinstance(item, Finish):
            self._append(item)
            await self._services.ticks.wait(stream, self._append)
            if self._readable is None and (kept := stream.told().kept) is not None:
                on_kept(kept)
            item = await anext(stream)
        for held_back in (self._whole_calls, joint, self._readable):
            if held_back is not None:
                self._append([*held_back.finish()])
        return item

    def _append(self, parts: list[Part]) -> None:
        """Raises TooLong, with all appended that there was room for."""
        self._services.ticks.count(len(parts))
        if parts and isinstance(parts[-1], Reasoning) is not self._stages.is_reasoning:
            self._stages.reasons(isinstance(parts[-1], Reasoning))
        if self._whole_calls is not None:  # first: the tape that the joint goes on with has no pieces of calls either
            parts = self._whole_calls.pass_on(parts)
        if self._joint is not None:
            parts = self._joint.pass_on(parts)
        if self._whole_calls is not None:
            parts = [*map(self._steps.with_own_id, parts)]
        if self._readable is not None:
            parts = self._readable.convert(parts)
        room = self._services.settings.max_answer_chars - len(self._feed.tape)
        for held_back in (self._whole_calls, self._readable):
            if held_back is not None:
                room -= held_back.length
        if sum(map(len, parts)) > room:
            self._feed.extend(Tape(parts).slice(0, room))
            raise TooLong
        self._feed.extend(parts)
