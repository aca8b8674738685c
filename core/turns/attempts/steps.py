"""Steps: the passes through the model in a turn whose agent has tools, and the calls that they ask for.

Each stage is stored before the next one begins (`core.store.turns.steps`), so that whoever takes the turn over goes on
behind the last result, and makes no call again that has one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, count
from time import monotonic
from typing import Any

import msgspec

from core.model.errors import AttemptLost
from core.model.events import Usage
from core.model.feed import Feed
from core.model.parts import Part, StepBegun, StepEnded, ToolCall, ToolResult
from core.model.tape import Tape
from core.providers.base import Finish, Message, Told
from core.store.retry import retry_while_down
from core.store.turns.records import Turn
from core.store.turns.steps import OwnAttempt, StoredCall, StoredStep, boundary
from core.tools.base import ToolCallContext
from core.tools.calling import call_tool
from core.turns.attempts.answer_messages import answer_messages
from core.turns.services import RunServices

TOOL_LIMIT = "tool_limit"
"""How a turn finishes whose model would go on calling tools."""
_CUT_SHORT = ("length", "content_filter")
"""Passes that finish so may end in half a call."""
_IN_DOUBT = (
    "The outcome of this call is unknown: the process that made it was lost before it heard the result. It may or may "
    "not have been carried out."
)


class Retired(Exception):
    """The process stops: whoever takes the turn over goes on with its next call, or pass."""


class Steps:
    """Of one claimed turn. One without tools has a single pass, and nothing here does anything."""

    def __init__(self, turn: Turn, feed: Feed, services: RunServices, attempt: Callable[[], int]) -> None:
        """`attempt`: tells which one runs."""
        agent: dict[str, Any] = (turn.input or {}).get("agent") or {}
        self._names: list[str] = agent.get("tools") or []
        self._key_name: str | None = agent.get("key_name")
        self._turn = turn
        self._feed = feed
        self._services = services
        self._attempt = attempt
        self.number = 1
        """Of the step that is going on."""
        self.stored = Tape([StepBegun(1)] if self._names else [])
        """What is stored, up to the beginning of the step: each attempt has it from its start."""
        self.specs: list[dict[str, Any]] = []
        """The tools, as a model's service is told of them."""
        self._call_ids: set[str] = set()
        self.pending: list[StoredCall] = []
        """Calls of the step that have no result yet."""
        self._calls_made = 0
        self._usage: Usage | None = None
        self.cost: float | None = None
        """US dollars of all that is stored, as far as it is known."""
        self._writing = asyncio.Lock()
        """Results get to the store and the tape in one order."""
        self._done = 0
        """How many calls of the step have come to a result."""
        self.is_retiring = False
        """Whether no further call is begun, nor a pass behind one: it might be cut off."""

    @property
    def are_made_here(self) -> bool:
        """Whether the turn's agent has tools, so that calls are made rather than left to whoever asked."""
        return bool(self._names)

    async def restore(self) -> None:
        """What attempts before this one have stored."""
        if self.are_made_here and self._turn.attempt > 1:
            for step in await retry_while_down(lambda: self._services.store.steps.read(self._turn.key)):
                self._take(step)

    async def prepare(self) -> None:
        """What the model is told of the tools."""
        if self.are_made_here:
            self.specs = [spec.as_openai() for spec in await self._services.toolbox.specs(self._names)]

    def messages(self) -> list[Message]:
        """What the model has said in this turn before, and what its tools have answered."""
        return answer_messages(self.stored.slice()) if self.number > 1 else []

    def said(self, tape: Tape) -> Tape:
        """Of a turn's tape, what the model has said in the step that is going on."""
        return Tape(tape.pieces(len(self.stored))) if self.agrees_with(tape) else Tape()

    def agrees_with(self, tape: Tape) -> bool:
        """Whether it begins with what is stored, as far as it goes: else it is another answer's."""
        length = min(len(tape), len(self.stored))
        return Tape(tape.pieces(end=length)) == Tape(self.stored.pieces(end=length))

    def with_own_id(self, part: Part) -> Part:
        """Results are known by the ids of their calls, which some services count anew in each pass, or leave out."""
        if not isinstance(part, ToolCall):
            return part
        ids = chain([part.id], (f"{part.id or 'call'}-{number}" for number in count(2)))
        own_id = next(each for each in ids if each and each not in self._call_ids)
        self._call_ids.add(own_id)
        return msgspec.structs.replace(part, id=own_id)

    async def plan(self, finish: Finish, cost: float | None) -> Finish | None:
        """After a pass, which cost so much: store it, and the calls that it asks for, which are to be made now. Returns
        how the turn finishes where there are none. Raises AttemptLost."""
        if not self.are_made_here:
            return finish
        settings, said = self._services.settings, self.said(self._feed.tape).slice()
        calls = [part for part in said if isinstance(part, ToolCall)]
        is_too_much = self.number >= settings.max_steps or self._calls_made + len(calls) > settings.max_tool_calls
        if not calls or finish.reason in _CUT_SHORT or is_too_much:
            self._feed.extend([StepEnded(self.number)])
            reason = TOOL_LIMIT if calls and finish.reason not in _CUT_SHORT else finish.reason
            return Finish(reason, self.add_up(finish.told), finish.raw)
        planned = [StoredCall(number, call) for number, call in enumerate(calls, 1)]
        step = StoredStep(self.number, said, planned, finish.told.usage, cost)
        await self._store(lambda own: self._services.store.steps.plan(own, step))
        self._take(step)
        return None

    async def make_calls(self) -> None:
        """All that are pending, some at a time. Raises AttemptLost, Retired."""
        places = asyncio.Semaphore(self._services.settings.parallel_tool_calls)
        try:
            async with asyncio.TaskGroup() as making:
                for pending in self.pending:
                    making.create_task(self._make(pending, places), name=f"tool {pending.call.name}")
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        if self.is_retiring:
            raise Retired
        self.pending = []
        ended = boundary(self.number)
        self.stored.extend(ended)
        self._feed.extend(ended)
        self._begin_next()

    def add_up(self, told: Told) -> Told:
        """With the usage of all steps, where that is what a service has told of the last one."""
        return msgspec.structs.replace(told, usage=_sum(self._usage, told.usage)) if self._usage else told

    def _take(self, step: StoredStep) -> None:
        """The one that is going on is stored."""
        self.stored.extend(step.tape_parts())
        self._usage = _sum(self._usage, step.usage)
        self.cost = _add(self.cost, step.cost)
        self._calls_made += len(step.calls)
        self._call_ids.update(each.call.id for each in step.calls)
        self.pending = [each for each in step.calls if each.result is None]
        self._done = len(step.calls) - len(self.pending)
        if not self.pending:
            self._begin_next()

    def _begin_next(self) -> None:
        self.number, self._done = self.number + 1, 0

    async def _make(self, pending: StoredCall, places: asyncio.Semaphore) -> None:
        async with places:
            if self.is_retiring:
                return
            result = await self._result(pending)
        async with self._writing:
            steps, done_as = self._services.store.steps, self._done + 1
            await self._store(lambda own: steps.finish(own, self.number, pending.number, result, done_as))
            self._done = done_as
            self.stored.extend([result])
            self._feed.extend([result])

    async def _result(self, pending: StoredCall) -> ToolResult:
        call, toolbox = pending.call, self._services.toolbox
        tool = toolbox.tool(call.name)
        if pending.status == "running" and not (tool is not None and tool.idempotent):
            return ToolResult(call.id, _IN_DOUBT, True, call.name, in_doubt=True)
        await self._store(lambda own: self._services.store.steps.begin(own, self.number, pending.number))
        begun_at, settings = monotonic(), self._services.settings
        output = await call_tool(
            toolbox,
            call.name,
            call.arguments,
            self._context(pending.number),
            among=self._names,
            seconds=settings.tool_seconds,
            max_chars=settings.max_tool_result_chars,
        )
        took = round(monotonic() - begun_at, 3)
        return ToolResult(call.id, output.content, output.is_error, call.name, took, output.truncated)

    def _context(self, number: int) -> ToolCallContext:
        key = self._turn.key
        return ToolCallContext(key.session_id, key.turn, self.number, number, self._key_name)

    async def _store(self, write: Callable[[OwnAttempt], Awaitable[bool]]) -> None:
        """Raises AttemptLost."""
        own = OwnAttempt(self._turn.key, self._attempt(), self._services.process_id)
        if not await retry_while_down(lambda: write(own)):
            raise AttemptLost("the turn was ended, or taken over, elsewhere")


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    counts = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return Usage(*(_add(*each) for each in counts))


def _add(one: float | None, other: float | None) -> Any:
    return other if one is None else one if other is None else one + other
