"""Items in their order, taken by their marks."""

import pytest

from logs.stream.marked import Marked


def test_of_one_mark_the_oldest_is_taken_first() -> None:
    items: Marked[str] = Marked()
    for mark, item in (("a", "1"), ("b", "2"), ("a", "3")):
        items.add(mark, item)
    assert [items.take("a"), items.take("a"), items.take("a"), items.take("b")] == ["1", "3", None, "2"]
    assert len(items) == 0


def test_the_oldest_of_all_is_gone_for_its_mark_as_well() -> None:
    items: Marked[str] = Marked()
    for mark, item in (("a", "1"), ("b", "2"), ("a", "3")):
        items.add(mark, item)
    assert items.oldest() == "1"
    assert items.take_oldest() == "1"
    assert items.take("a") == "3"
    assert items.take_oldest() == "2"
    assert items.oldest() is None
    with pytest.raises(KeyError):
        items.take_oldest()


def test_numbers_go_on_whatever_was_taken() -> None:
    items: Marked[str] = Marked()
    for item in ("1", "2", "3"):
        items.add(item, item)
    items.take("2")
    assert list(items.after(0)) == [(1, "1"), (3, "3")]
    assert list(items.after(1)) == [(3, "3")]
    items.clear()
    items.add("4", "4")
    assert list(items.after(0)) == [(4, "4")]
    assert items.take("1") is None
