"""What one pass through a model writes and sees, in the layers of one kind: the same for each of them."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.providers.local.engine.cache.rotary import Frequencies
from core.providers.local.engine.cache.window import Window


class Place(NamedTuple):
    """Of a session: its row, and how many tokens of its text the cache has seen."""

    row: int
    length: int
    window: Window


class Run(NamedTuple):
    """Sessions of a step whose rows lie one after the other, and which see as many slots each."""

    sessions: slice
    rows: slice
    seen: int
    """Slots, those of the step's own tokens among them."""


class StepPlan(NamedTuple):
    """One further token of each of several sessions."""

    rows: Tensor
    slots: Tensor
    """Where each is written."""
    runs: list[Run]


class PiecePlan(NamedTuple):
    """Several tokens of one session."""

    row: int
    held: int
    """Slots that were in use before."""
    kept: Tensor
    """Which of the tokens are written …"""
    slots: Tensor
    """… and where."""
    mask: Tensor
    """bool of shape (tokens, held + tokens): what each sees."""
    turned: Tensor | None
    """float64 of shape (tokens, half): by how much each turns the sinks, if one of them does."""
    sinks: int


def plan_step(places: list[Place], device: str) -> StepPlan:
    return StepPlan(
        torch.tensor([place.row for place in places], device=device),
        torch.tensor([place.window.slot(place.length) for place in places], device=device),
        _runs(places),
    )


def _runs(places: list[Place]) -> list[Run]:
    runs: list[Run] = []
    for number, (row, length, window) in enumerate(places):
        seen = window.held(length + 1)
        if runs and runs[-1].rows.stop == row and runs[-1].seen == seen:
            sessions, rows, _ = runs.pop()
            runs.append(Run(slice(sessions.start, number + 1), slice(rows.start, row + 1), seen))
        else:
            runs.append(Run(slice(number, number + 1), slice(row, row + 1), seen))
    return runs


def plan_piece(place: Place, tokens: int, frequencies: Frequencies, device: str) -> PiecePlan:
    """`tokens`: where there are sinks, not more than are recent, so that no sink is among those that turn one."""
    row, length, window = place
    held = window.held(length)
    queries = torch.arange(length, length + tokens, device=device)
    keys = torch.cat(
        (torch.tensor([window.position(slot, length) for slot in range(held)], device=device).long(), queries)
    )
    is_kept = (queries < window.sinks) | (queries > length + tokens - 1 - window.recent)
    is_seen = (keys < window.sinks) | (keys > queries[:, None] - window.recent)
    is_turned = window.sinks > 0 and window.shift(length + tokens - 1) > 0
    shifts = torch.tensor([window.shift(length + number) for number in range(tokens)], device=device)
    return PiecePlan(
        row,
        held,
        is_kept.nonzero()[:, 0],
        torch.tensor([window.slot(place) for place in queries[is_kept].tolist()], device=device),
        is_seen & (keys <= queries[:, None]),
        frequencies.angles(shifts) if is_turned else None,
        window.sinks,
    )
