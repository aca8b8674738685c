"""Entity tags in `If-Match` and `If-None-Match`."""

import pytest

from api.http.conditions import entity_tag, versions_of


@pytest.mark.parametrize(
    ("headers", "strongly", "weakly"),
    [
        ([], None, None),
        (['"a"'], {"a"}, {"a"}),
        (['"a", "b" ,"c"', '"d"'], {"a", "b", "c", "d"}, {"a", "b", "c", "d"}),
        (['W/"a", "b"'], {"b"}, {"a", "b"}),
        (['W/"a"'], set(), {"a"}),
        (["*"], {"*"}, {"*"}),
        ([" * "], {"*"}, {"*"}),
        (['"a,b"'], {"a,b"}, {"a,b"}),
        (['"*"'], {"*"}, {"*"}),
        (['""'], {""}, {""}),
        (["a"], set(), set()),
        ([""], set(), set()),
        (['"a'], set(), set()),
        (["*, *"], set(), set()),
    ],
    ids=str,
)
def test_tags_are_read_from_lists(headers: list[str], strongly: set[str] | None, weakly: set[str] | None) -> None:
    assert versions_of(headers) == strongly
    assert versions_of(headers, weakly=True) == weakly


def test_a_tag_is_strong() -> None:
    assert versions_of([entity_tag("0a1b")]) == frozenset({"0a1b"})
