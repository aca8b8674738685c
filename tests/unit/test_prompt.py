"""The prompt: the newest whole exchanges that fit the budget."""

import pytest

from core.providers.base import Message
from core.store.records import Exchange
from core.turns.prompt import build_messages, newest_whole_exchanges

HISTORY = [Exchange("a" * 4, "b" * 6), Exchange("c" * 3, "d" * 7), Exchange("e", "f" * 9)]


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (1000, 3)])
def test_whole_exchanges_are_kept_from_the_newest_on(budget: int, kept: int) -> None:
    assert newest_whole_exchanges(HISTORY, budget) == HISTORY[len(HISTORY) - kept :]


def test_a_long_exchange_leaves_no_gap() -> None:
    history = [Exchange("old", "old"), Exchange("x" * 100, ""), Exchange("new", "new")]
    assert newest_whole_exchanges(history, 50) == history[2:]


def test_roles_alternate_after_the_system_prompt() -> None:
    messages = build_messages("now", HISTORY[2:], system_prompt="be kind", max_history_chars=100)
    assert messages == [
        Message("system", "be kind"),
        Message("user", "e"),
        Message("assistant", "f" * 9),
        Message("user", "now"),
    ]
    assert build_messages("now", [], system_prompt=None, max_history_chars=0) == [Message("user", "now")]
