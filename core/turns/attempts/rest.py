"""The rest of an answer that broke off: how it is asked for, and the seam where it goes on."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from core.model.parts import Opaque, Part, Reasoning, Text, cut
from core.model.tape import Tape
from core.providers.base import GoesOn, Kept
from core.providers.catalogue.catalogue import Route

MIN_OVERLAP = 24
"""Characters. What is shorter may well be said twice."""


class Begun(NamedTuple):
    """The text of an answer, of which the rest is asked for."""

    text: str
    tokens: int
    """About so many there are of it."""
    way: GoesOn


class Joint(Protocol):
    """Takes the parts of the rest, and gives those that are new."""

    def pass_on(self, parts: Iterable[Part]) -> list[Part]: ...

    def finish(self) -> list[Part]:
        """What was held back, once nothing more comes."""
        ...


class Rest(NamedTuple):
    route: Route
    """To the model that has begun the answer."""
    length: int
    """Of the tape that stays."""
    joint: Joint
    begun: Begun | None = None
    """For a model that goes on with a text."""
    kept: Kept | None = None
    """For a service that has the answer, which is fetched."""


def rest_of(tape: Tape, route: Route, kept: Kept | None) -> Rest | None:
    """`tape`: what viewers have. None where the answer has to begin again."""
    if kept is not None and route.model.api == "responses":
        known = kept if kept.position <= len(tape) else Kept(kept.id)
        return Rest(route, len(tape), Skip(len(tape) - known.position), kept=known)
    length = keepable(tape)
    if not route.model.continues or not length:
        return None
    told = Tape(tape.pieces(end=length))
    seam = Seam(told.text())
    return Rest(route, length, seam, Begun(seam.prefix, len(told.sizes()), route.model.continues))


def keepable(tape: Tape) -> int:
    """Up to which position an answer can be gone on with: the end of its text, behind which there may be a thought that
    is not ended, or half a call of a tool. 0: it has to begin again."""
    position = kept = 0
    for part in tape.slice():
        position += len(part)
        match part:
            case Text():
                kept = position
            case Reasoning() | Opaque():
                pass
            case _:
                break
    return kept


class Skip:
    """Takes out so many positions at the beginning, which viewers have."""

    def __init__(self, positions: int) -> None:
        self._positions = positions

    def pass_on(self, parts: Iterable[Part]) -> list[Part]:
        passed: list[Part] = []
        for part in parts:
            size = len(part)
            if self._positions < size:
                passed.append(cut(part, max(self._positions, 0), size))
            self._positions -= size
        return passed

    def finish(self) -> list[Part]:
        return []


class Seam:
    """Takes out of the first parts of what goes on whatever they repeat of the text before: services trim the white
    space at its end, and some say its last words again, or all of it."""

    def __init__(self, before: str) -> None:
        self._before = before
        self._held = ""
        """Text that may still turn out to be a repetition."""
        self._is_over = not before

    @property
    def prefix(self) -> str:
        """What a service is asked to go on with."""
        return self._before.rstrip()

    def pass_on(self, parts: Iterable[Part]) -> list[Part]:
        passed: list[Part] = []
        for part in parts:
            if self._is_over or not isinstance(part, Text):
                if not isinstance(part, Reasoning | Opaque):
                    passed += self.finish()  # nothing overtakes the text before it
                passed.append(part)
                continue
            self._held += part.text
            if not self._may_repeat():
                passed += self.finish()
        return passed

    def finish(self) -> list[Part]:
        new, self._held, self._is_over = self._held[self._repeated() :], "", True
        return [Text(new)] if new else []

    def _may_repeat(self) -> bool:
        """Whether more of what is held would tell: it is the beginning of something that stands at the end."""
        before, held = self._before, self._held
        latest_begin = len(before) - max(MIN_OVERLAP, len(held) + 1)
        if latest_begin >= 0 and before.find(held, 0, latest_begin + len(held)) >= 0:
            return True
        space = before[len(before.rstrip()) :]
        return len(held) < len(space) and held in space

    def _repeated(self) -> int:
        """How many characters of what is held are a repetition."""
        before, held = self._before, self._held
        for length in range(min(len(before), len(held)), MIN_OVERLAP - 1, -1):
            if before.endswith(held[:length]):
                return length
        space = before[len(before.rstrip()) :]
        for length in range(min(len(space), len(held)), 0, -1):
            if space.endswith(held[:length]):
                return length
        return 0
