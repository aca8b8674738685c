"""Turns as rows of `turns`. A database's driver takes longer for a column than for its value: what is known is not read
back."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from core.store.records import Earlier, Turn
from core.store.schema import turns

_OF_AN_END = (
    "tape",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "error_code",
    "error_message",
    "finished_at",
)
WHILE_IT_RUNS = tuple(column for column in turns.c if column.name not in _OF_AN_END)
"""The columns that have a value before a turn ends."""


def read_turn(row: sa.Row[Any], earlier: Sequence[Earlier] = ()) -> Turn:
    """Of a statement that returns all columns of `turns`, or those of a turn that runs."""
    return Turn(**dict(zip(row._fields, row, strict=True)), earlier=list(earlier))
