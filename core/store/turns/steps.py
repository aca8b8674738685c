"""Steps: what a turn's passes through the model have said, and the tools that they call.

Each is stored before what follows from it: a pass before its calls are made, a call before it is made, its result
before the model sees it. All of it only by the process whose own the attempt is, so that whoever takes the turn over
finds what was done, and nobody else writes beside it.
"""

from collections import defaultdict
from itertools import chain
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from core.model.events import Usage
from core.model.keys import TurnKey
from core.model.parts import Part, StepBegun, StepEnded, ToolCall, ToolResult, decode_parts, encode_parts
from core.model.tape import Tape
from core.store.database.base import Database
from core.store.schema import db_now, tool_calls, turn_steps, turns
from core.store.turns.conditions import IS_OWN, of, own_by

CallStatus = Literal["planned", "running", "done"]


class StoredCall(msgspec.Struct, frozen=True):
    number: int
    """1, 2, … in its step."""
    call: ToolCall
    status: CallStatus = "planned"
    result: ToolResult | None = None
    """Of one that is done."""


class StoredStep(msgspec.Struct, frozen=True):
    number: int
    """1, 2, … in its turn."""
    parts: list[Part]
    """What the model has said in it, its calls among it."""
    calls: list[StoredCall]
    """Those that are done in the order in which they came to that, then the others."""
    usage: Usage | None = None
    cost: float | None = None
    """US dollars."""

    def tape_parts(self) -> list[Part]:
        """What a tape has of it, behind the part with which it begins."""
        results = [each.result for each in self.calls if each.result is not None]
        return [*self.parts, *results, *(boundary(self.number) if len(results) == len(self.calls) else [])]


class OwnAttempt(msgspec.Struct, frozen=True):
    """For which a process writes."""

    key: TurnKey
    attempt: int
    process_id: str


# A write comes first in each transaction: whoever takes the turn over waits for its end, or it for theirs.
_HOLD = sa.update(turns).where(IS_OWN).values(attempt=turns.c.attempt)
_STEPS = (
    sa.select(turn_steps)
    .where(turn_steps.c.session_id == sa.bindparam("of_session"), turn_steps.c.turn == sa.bindparam("of_turn"))
    .order_by(turn_steps.c.step)
)
_CALLS = (
    sa.select(tool_calls)
    .where(tool_calls.c.session_id == sa.bindparam("of_session"), tool_calls.c.turn == sa.bindparam("of_turn"))
    .order_by(tool_calls.c.step, tool_calls.c.done_as.is_(None), tool_calls.c.done_as, tool_calls.c.number)
)
_IS_CALL = sa.and_(
    *(
        tool_calls.c[name] == sa.bindparam(parameter)
        for name, parameter in (
            ("session_id", "of_session"),
            ("turn", "of_turn"),
            ("step", "of_step"),
            ("number", "of_number"),
        )
    )
)
_BEGIN = (
    sa.update(tool_calls)
    .where(_IS_CALL)
    .values(status="running", attempt=sa.bindparam("own_attempt"), started_at=db_now())
)
_FINISH = (
    sa.update(tool_calls)
    .where(_IS_CALL)
    .values(status="done", finished_at=db_now(), done_as=sa.bindparam("as"), result=sa.bindparam("content"))
)


class StoredSteps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, key: TurnKey) -> list[StoredStep]:
        """Of a turn, in order."""
        return await self._database.run_in_thread(lambda connection: _read(connection, key))

    async def plan(self, own: OwnAttempt, step: StoredStep) -> bool:
        """Store a pass and the calls that follow from it. This and the next two are False where the attempt is no
        longer its process's own, and change nothing then."""
        of_step = {"session_id": own.key.session_id, "turn": own.key.turn, "step": step.number}
        usage = msgspec.structs.asdict(step.usage) if step.usage is not None else None
        planned = [
            {
                **of_step,
                "number": each.number,
                "call_id": each.call.id,
                "name": each.call.name,
                "arguments": each.call.arguments,
                "status": each.status,
            }
            for each in step.calls
        ]

        def insert(connection: sa.Connection) -> None:
            said = {**of_step, "parts": encode_parts(step.parts), "usage": usage, "cost": step.cost}
            for table, rows in ((turn_steps, said), (tool_calls, planned)):  # perhaps once more: the answer was lost
                connection.execute(self._database.insert(table).on_conflict_do_nothing(), rows)

        return await self._write(own, insert)

    async def begin(self, own: OwnAttempt, step: int, number: int) -> bool:
        """A call is made now."""
        asked = {**_of_call(own, step, number), "own_attempt": own.attempt}
        return await self._write(own, lambda connection: connection.execute(_BEGIN, asked))

    async def finish(self, own: OwnAttempt, step: int, number: int, result: ToolResult, done_as: int) -> bool:
        """A call has come to its result, as which of its step: 1 is the first."""
        asked = {**_of_call(own, step, number), "as": done_as, "content": encode_parts([result])}
        return await self._write(own, lambda connection: connection.execute(_FINISH, asked))

    async def _write(self, own: OwnAttempt, write: Any) -> bool:
        def write_if_own(connection: sa.Connection) -> bool:
            if not connection.execute(_HOLD, own_by(own.key, own.attempt, own.process_id)).rowcount:
                return False
            write(connection)
            return True

        return await self._database.run(write_if_own)


def boundary(number: int) -> list[Part]:
    """Between a step that is done and the next one."""
    return [StepEnded(number), StepBegun(number + 1)]


def read_tape(connection: sa.Connection, key: TurnKey) -> Tape:
    """As much of a turn's as is stored while it runs."""
    steps = _read(connection, key)
    return Tape([StepBegun(1), *chain.from_iterable(step.tape_parts() for step in steps)] if steps else [])


def _read(connection: sa.Connection, key: TurnKey) -> list[StoredStep]:
    calls: defaultdict[int, list[StoredCall]] = defaultdict(list)
    for row in connection.execute(_CALLS, of(key)):
        calls[row.step].append(_call(row))
    return [
        StoredStep(row.step, decode_parts(row.parts), calls[row.step], row.usage and Usage(**row.usage), row.cost)
        for row in connection.execute(_STEPS, of(key))
    ]


def _call(row: sa.Row[Any]) -> StoredCall:
    parts = decode_parts(row.result) if row.result is not None else []
    result = next((part for part in parts if isinstance(part, ToolResult)), None)
    return StoredCall(row.number, ToolCall(row.call_id, row.name, row.arguments), row.status, result)


def _of_call(own: OwnAttempt, step: int, number: int) -> dict[str, Any]:
    return {"of_session": own.key.session_id, "of_turn": own.key.turn, "of_step": step, "of_number": number}
