"""The bench's books: what it counts as lost, doubled, out of order and late, and which targets it calls missed."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import Figures, missed_targets, table
from bench.stats import median, quantile
from bench.tokens import AWKWARD, Ledger, TokenKind, awkward, token
from core.providers.sse import EventReader

GOOD = Figures(
    first_token=20, delay_p50=0.1, delay_p99=0.4, delay_max=1, tokens=250, lost=0, doubled=0, disordered=0, unfinished=0
)


def books(indices: list[int]) -> Ledger:
    ledger = Ledger()
    ledger.read("".join(token("numbered", index) for index in indices), 0)
    return ledger


@pytest.mark.parametrize(
    ("indices", "lost", "doubled", "disordered"),
    [
        ([0, 1, 2, 3], 0, 0, 0),
        ([], 4, 0, 0),
        ([0, 1], 2, 0, 0),
        ([2, 3], 2, 0, 0),
        ([0, 1, 1, 2, 3, 0], 0, 2, 0),
        ([0, 2, 1, 3], 0, 0, 1),
        ([3, 2, 1, 0], 0, 0, 3),
        ([0, 2, 2, 3], 1, 1, 0),
    ],
)
def test_every_token_is_booked(indices: list[int], lost: int, doubled: int, disordered: int) -> None:
    ledger = books(indices)

    assert ledger.received == len(indices)
    assert (ledger.lost(4), ledger.doubled, ledger.disordered) == (lost, doubled, disordered)


@given(st.data(), st.sampled_from(["numbered", "stamped"]), st.booleans())
def test_the_books_do_not_depend_on_how_the_text_was_cut(data: st.DataObject, kind: TokenKind, odd: bool) -> None:
    count = len(AWKWARD) + 3
    text = "".join(token(kind, index) + (awkward(index) if odd else "") for index in range(count))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    ledger = Ledger()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        ledger.read(text[start:end], 0)

    assert (ledger.received, ledger.lost(count), ledger.doubled, ledger.disordered) == (count, 0, 0, 0)
    assert len(ledger.delays_ns) == (count if kind == "stamped" else 0)


def test_a_token_that_was_damaged_is_lost() -> None:
    ledger = Ledger()
    ledger.read("t000000 t0000x1 t000002 ", 0)

    assert ledger.lost(3) == 1


def test_a_delay_is_from_the_stamp_to_the_arrival_of_its_last_character() -> None:
    ledger = Ledger()
    ledger.read("@0:1000 @1:2", 1500)
    ledger.read("000 ", 2700)

    assert ledger.delays_ns == [500, 700]


@given(st.data())
def test_events_do_not_depend_on_how_the_bytes_were_cut(data: st.DataObject) -> None:
    stream = "retry: 1000\n\nid: 1\ndata: {}\n\n: ping\n\ndata:a\r\ndata: é\r\n\r\ndata:  b\n\n".encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    reader = EventReader()
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += reader.feed(stream[start:end])

    assert events == [b"{}", "a\né".encode(), b" b"]


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile([3, 1, 2], 1) == 3
    assert median([5, 1, 3]) == 3
    assert math.isnan(median([]))


def test_no_target_is_missed_by_good_figures() -> None:
    assert missed_targets({"mock": GOOD, "direct": GOOD, "queue": GOOD}) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"first_token": 36.0}, "time to first token: 16.00 ms over direct"),
        ({"delay_p50": 2.2}, "token delay p50: 2.10 ms over mock"),
        ({"delay_p99": 10.5}, "token delay p99: 10.10 ms over mock"),
        ({"delay_p99": math.nan}, "not measured"),
        ({"lost": 1}, "queue: 1 lost"),
        ({"doubled": 2}, "queue: 2 doubled"),
        ({"disordered": 3}, "queue: 3 disordered"),
        ({"unfinished": 1}, "queue: 1 unfinished"),
    ],
)
def test_a_missed_target_is_named(change: dict[str, float], says: str) -> None:
    queue = msgspec.structs.replace(GOOD, **change)

    (line,) = missed_targets({"mock": GOOD, "direct": GOOD, "queue": queue})
    assert says in line


def test_what_was_not_measured_is_missed() -> None:
    assert len(missed_targets({"mock": GOOD})) == 3


def test_the_figures_of_all_rounds_are_medians_and_the_worst_maximum() -> None:
    rounds = [msgspec.structs.replace(GOOD, first_token=t, delay_max=t, lost=1) for t in (30.0, 10.0, 20.0)]

    figures = Figures.of_all(rounds)
    assert (figures.first_token, figures.delay_max, figures.lost, figures.tokens) == (20, 30, 3, 750)


def test_the_table_shows_what_the_queue_adds() -> None:
    queue = msgspec.structs.replace(GOOD, first_token=31.5)
    direct = msgspec.structs.replace(GOOD, first_token=25.0)

    head, first_token, *_ = table({"mock": GOOD, "direct": direct, "queue": queue}).splitlines()
    assert head.split()[:4] == ["ms", "mock", "direct", "queue"]
    assert first_token.split()[-6:] == ["20.00", "25.00", "31.50", "+5.00", "+11.50", "+6.50"]
