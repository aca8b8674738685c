"""Subscriptions: what a watcher sees, and never more than its key may."""

from typing import Any

import msgspec
import pytest

from api.watchers.subscriptions import MOST, Interest, Subscription, Subscriptions, TooManySubscriptions
from core.model.keys import TurnKey
from core.store.reach import EVERYTHING, Reach
from core.store.turns.records import Labels
from core.store.turns.watched import WatchedTurn

TURN = WatchedTurn(
    key=TurnKey("s", 1),
    mode="queue",
    status="running",
    attempt=1,
    owner="w",
    model="m",
    labels=Labels(goal_id="g"),
    key_name="alice",
    created_at=1.0,
    started_at=1.0,
    finished_at=None,
    finish_reason=None,
)
EVERY = Subscription()


def turn(**changes: Any) -> WatchedTurn:
    return msgspec.structs.replace(TURN, **changes)


@pytest.mark.parametrize(
    ("subscription", "fits"),
    [
        (EVERY, True),
        (Subscription(goal_id="g"), True),
        (Subscription(goal_id="G"), False),
        (Subscription(session_id="s"), True),
        (Subscription(session_id="t"), False),
        (Subscription(model="m"), True),
        (Subscription(model="n"), False),
        (Subscription(goal_id="g", model="n"), False),
        (Subscription(status="running"), True),
        (Subscription(status="queued"), False),
    ],
)
def test_all_that_is_given_has_to_fit(subscription: Subscription, fits: bool) -> None:
    assert subscription.fits(TURN) is fits


def test_a_cancelled_turn_is_not_done() -> None:
    cancelled = turn(status="done", finish_reason="cancelled", finished_at=2.0)
    assert Subscription(status="cancelled").fits(cancelled)
    assert not Subscription(status="done").fits(cancelled)


@pytest.mark.parametrize(("key_name", "sees"), [("alice", True), ("bob", False), (None, True)])
def test_a_key_sees_its_own(key_name: str | None, sees: bool) -> None:
    subscriptions = Subscriptions(Reach(key_name), EVERY)
    assert (subscriptions.interest(TURN) is not None) is sees


def test_what_was_made_without_keys_is_nobodys_once_there_are_some() -> None:
    assert Subscriptions(Reach("alice"), EVERY).interest(turn(key_name=None)) is None


def test_who_began_with_everything_narrows_it() -> None:
    subscriptions = Subscriptions(EVERYTHING, EVERY)
    subscriptions.add(Subscription(goal_id="other"))
    assert subscriptions.interest(TURN) is None


def test_who_began_with_a_goal_adds_to_it() -> None:
    subscriptions = Subscriptions(EVERYTHING, Subscription(goal_id="g"))
    subscriptions.add(Subscription(goal_id="other"))
    assert subscriptions.interest(TURN) is not None
    subscriptions.remove(Subscription(goal_id="g"))
    assert subscriptions.interest(TURN) is None


def test_what_was_in_view_stays_there_whatever_its_status() -> None:
    subscriptions = Subscriptions(Reach("alice"), Subscription(status="running"))
    ended = turn(status="done", finished_at=2.0)
    assert subscriptions.interest(ended, is_in_view=True) == Interest(from_start=True)
    assert subscriptions.interest(turn(key_name="bob"), is_in_view=True) is None


def test_to_leave_something_else_narrows_nothing() -> None:
    subscriptions = Subscriptions(EVERYTHING, EVERY)
    subscriptions.remove(Subscription(goal_id="other"))
    subscriptions.add(Subscription(goal_id="other"))
    assert subscriptions.interest(TURN) is None


def test_a_status_is_about_when_a_turn_comes_into_view() -> None:
    subscriptions = Subscriptions(EVERYTHING, Subscription(status="running"))
    assert subscriptions.interest(TURN) == Interest(from_start=False)
    ended = turn(status="done", finished_at=2.0)
    assert subscriptions.interest(ended) is None
    assert subscriptions.keeps(ended)


def test_there_are_not_any_number_of_them() -> None:
    subscriptions = Subscriptions(EVERYTHING, Subscription(goal_id="0"))
    for number in range(1, MOST):
        subscriptions.add(Subscription(goal_id=str(number)))
    with pytest.raises(TooManySubscriptions):
        subscriptions.add(Subscription(goal_id="one more"))
