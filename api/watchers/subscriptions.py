"""Subscriptions: which turns a watcher wants to see, and which of them its key may."""

from typing import NamedTuple

import msgspec

from core.bus.messages import BusMessage
from core.model.errors import HopstreamError
from core.store.reach import Reach
from core.store.turns.watched import WatchedTurn

MOST = 50
"""Of one watcher: each is looked at for every turn."""


class TooManySubscriptions(HopstreamError):
    code = "too_many_subscriptions"
    status = 429
    title = "Too many subscriptions on one connection"


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """All that are given have to fit."""

    goal_id: str | None = None
    session_id: str | None = None
    model: str | None = None
    status: str | None = None
    """A `state`. The turn comes into view with it, and stays there to its end."""

    def fits(self, turn: WatchedTurn) -> bool:
        return self._is_about(turn.labels.goal_id, turn.key.session_id, turn.model) and (
            self.status is None or self.status == turn.state
        )

    def may_fit(self, message: BusMessage) -> bool:
        """A turn that something was told of."""
        return self._is_about(message.goal_id, message.session_id, message.model)

    def _is_about(self, goal_id: str | None, session_id: str, model: str) -> bool:
        return (
            (self.goal_id is None or self.goal_id == goal_id)
            and (self.session_id is None or self.session_id == session_id)
            and (self.model is None or self.model == model)
        )


class Interest(NamedTuple):
    """What of a turn a watcher wants to see."""

    from_start: bool
    """Rather than from the status on by which it was asked for."""


class Subscriptions:
    """A watcher's. One that began with everything narrows that by the first thing that it subscribes to."""

    def __init__(self, reach: Reach, first: Subscription) -> None:
        self.reach = reach
        self._is_implied = first == Subscription()
        self._all = {first}

    def __contains__(self, subscription: object) -> bool:
        return subscription in self._all and not self._is_implied

    def add(self, subscription: Subscription) -> None:
        """Raises TooManySubscriptions."""
        wanted = {subscription} if self._is_implied else self._all | {subscription}
        if len(wanted) > MOST:
            raise TooManySubscriptions(f"one connection has at most {MOST} subscriptions")
        self._all, self._is_implied = wanted, False

    def remove(self, subscription: Subscription) -> None:
        self._all.discard(subscription)
        self._is_implied = self._is_implied and bool(self._all)

    def interest(self, turn: WatchedTurn, *, is_in_view: bool = False) -> Interest | None:
        """None where it does not fit. `is_in_view`: it did before."""
        if self.reach.key_name not in (None, turn.key_name):
            return None
        fitting = [each for each in self._all if each.fits(turn)]
        if not fitting:
            return Interest(from_start=True) if is_in_view and self.keeps(turn) else None
        return Interest(is_in_view or any(each.status is None for each in fitting))

    def keeps(self, turn: WatchedTurn) -> bool:
        """Whether one that is in view stays there, whatever its status is by now."""
        return any(msgspec.structs.replace(each, status=None).fits(turn) for each in self._all)

    def may_fit(self, message: BusMessage) -> bool:
        return any(each.may_fit(message) for each in self._all)
