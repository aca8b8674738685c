"""What lists of turns and sessions can be asked for."""

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from api.inputs.turns import ListQuery, TurnsQuery
from core.store.turns.filters import ANY_TURN, TurnFilter
from core.store.turns.pages import NEWEST, Bookmark


def test_nothing_is_asked() -> None:
    query = TurnsQuery.model_validate({})
    assert (query.limit, query.text_chars, query.bookmark, query.wanted()) == (50, 0, NEWEST, ANY_TURN)


def test_everything_is_asked() -> None:
    bookmark = Bookmark(1_764_000_000.123456, "s", 2)
    asked = {
        "goal_id": "g",
        "work_item_id": "w",
        "run_id": "r",
        "session_id": "s",
        "model": "openai/m",
        "status": ["done", "cancelled", "done"],
        "metadata": ["team:search", "url:http://a:1", "empty:"],
        "limit": "500",
        "text_chars": "4000",
        "before": bookmark.encode(),
    }
    query = TurnsQuery.model_validate(asked)
    assert (query.limit, query.text_chars, query.bookmark) == (500, 4000, bookmark)
    metadata = (("team", "search"), ("url", "http://a:1"), ("empty", ""))
    wanted = TurnFilter("g", "w", "r", "s", "openai/m", frozenset({"done", "cancelled"}), metadata)
    assert query.wanted() == wanted
    assert ListQuery.model_validate(asked).wanted() == msgspec.structs.replace(wanted, session_id=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("goal_id", ""),
        ("work_item_id", "a\0"),
        ("run_id", "x" * 129),
        ("session_id", "a b"),
        ("model", "a b"),
        ("status", ["finished"]),
        ("metadata", ["team"]),
        ("metadata", [":search"]),
        ("metadata", ["a:\0"]),
        ("metadata", ["a:" + "x" * 576]),
        ("metadata", ["a:b"] * 17),
        ("limit", 0),
        ("limit", 501),
        ("text_chars", -1),
        ("text_chars", 4001),
        ("before", ""),
        ("before", "1.1.42"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        TurnsQuery.model_validate({name: value})
