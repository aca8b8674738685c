"""What one pass through a model writes and sees, in the layers of one kind: the same for each of them."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.providers.local.engine.cache.rotary import Frequencies
from core.providers.local.engine.cache.window import Window

MOST_PADDED = 1.5
"""Slots that are read for sessions together, to those that they see."""


class Place(NamedTuple):
    """Of a session: its row, and how many tokens of its text the cache has seen."""

    row: int
    length: int
    window: Window


class Run(NamedTuple):
    """Sessions of a step whose rows lie one after the other."""

    sessions: slice
    rows: slice
    seen: int
    """Slots, those of the step's own tokens among them: of the session that sees most."""
    mask: Tensor | None
    """bool of shape (sessions, 1, 1, seen): what each of them sees, where that is not all."""


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
        _runs(places, device),
    )


def _runs(places: list[Place], device: str) -> list[Run]:
    """A run's sessions are looked at together, as if all saw as much as the one that sees most."""
    seen = [place.window.held(place.length + 1) for place in places]
    runs: list[Run] = []
    first = 0
    for end in range(1, len(places) + 1):
        if end < len(places) and places[end].row == places[end - 1].row + 1:
            together = seen[first : end + 1]
            if max(together) * len(together) <= MOST_PADDED * sum(together):
                continue
        runs.append(_run(places[first:end], seen[first:end], first, device))
        first = end
    return runs


def _run(places: list[Place], seen: list[int], first: int, device: str) -> Run:
    most = max(seen)
    mask = None
    if min(seen) < most:
        mask = (torch.arange(most, device=device) < torch.tensor(seen, device=device)[:, None])[:, None, None]
    rows = slice(places[0].row, places[-1].row + 1)
    return Run(slice(first, first + len(places)), rows, most, mask)


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
