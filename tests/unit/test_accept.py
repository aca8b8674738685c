"""What a client's `Accept` header likes (RFC 9110, 12.5.1)."""

import pytest

from api.http.accept import Accept, Wish

EXAMPLE = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
"""The standard's own."""


@pytest.mark.parametrize(
    ("media_type", "parameters", "weight"),
    [
        ("text/plain", {"format": "flowed"}, 1),
        ("text/plain", {"format": "other"}, 0.7),
        ("text/html", {}, 0.3),
        ("image/jpeg", {}, 0.5),
        ("text/plain", {"format": "fixed"}, 0.4),
    ],
)
def test_the_most_exact_range_counts(media_type: str, parameters: dict[str, str], weight: float) -> None:
    wish = Accept([EXAMPLE]).wish(media_type, **parameters)
    assert wish is not None
    assert wish.weight == weight


@pytest.mark.parametrize(
    ("header", "weight"),
    [
        ("text/plain", 1),
        ("Text/PLAIN", 1),
        (" text/plain ; Q=0.5 ", 0.5),
        ("text/plain;q=0", None),
        ("text/plain;q=0.000", None),
        ("text/plain;q=2", 1),
        ("text/plain;q=-1", None),
        ("text/plain;q=much", 1),
        ("text/plain; charset=utf-8", 1),
        ('text/plain; a="x, text/html;q=0"', 1),
        ("text/*", 1),
        ("*/*", 1),
        ("text/plain;q=0, */*", None),
        ("text/html", None),
        ("text", None),
        ("", None),
        (",, ,", None),
        (";q=1", None),
    ],
)
def test_weights(header: str, weight: float | None) -> None:
    wish = Accept([header]).wish("text/plain")
    assert (wish and wish.weight) == weight


def test_a_header_that_came_twice_is_one_list() -> None:
    assert Accept(["text/html", "text/plain;q=0.5"]).wish("text/plain") == Wish(0.5, -1)


def test_no_header_likes_nothing() -> None:
    assert Accept([]).wish("text/plain") is None
