"""What an attempt of another process has left to the one that takes its turn over."""

from collections.abc import Callable
from typing import NamedTuple

from core.model.feed import Feed
from core.providers.catalogue.catalogue import Route
from core.store.turns.records import Turn
from core.turns.attempts.kept_note import noted
from core.turns.attempts.rest import Rest, rest_of
from core.turns.attempts.steps import Steps


class Left(NamedTuple):
    past: Feed
    """What viewers have, as far as that is known."""
    route: Route | None
    """To the model that was answering; None where nobody knows."""
    rest: Rest | None
    """How it is gone on with, if it can be."""


def what_is_left(turn: Turn, past: Feed | None, steps: Steps, route_to: Callable[[str], Route | None]) -> Left:
    """`past`: what viewers have, where that is known."""
    nothing = Feed(turn.key)
    known, note = past or nothing, noted(turn)
    if note is not None and note.origin > known.origin:
        known = nothing  # viewers have none of that answer
    if note is not None and known.attempt and (note.origin, note.model) != (known.origin, known.model):
        note = None  # it is of another answer than they have
    if note is not None and note.step != steps.number:
        note = None  # that answer is stored already
    model, kept = (note.model, note.kept) if note is not None else (known.model, None)
    route = route_to(model) if model else None
    if route is None or steps.pending:
        return Left(known, route, None)
    return Left(known, route, rest_of(steps.said(known.tape), route, kept))
