"""The bench's books: what it counts as lost, doubled, out of order and late, and which targets it calls missed."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.agents import AgentCost, AgentCosts
from bench.clients import Reading
from bench.crowd import Crowd, Phase
from bench.figures import Figures
from bench.providers import ProviderCost
from bench.report import report
from bench.results import Results
from bench.stats import median, quantile
from bench.tables import table_of
from bench.targets import TARGETS, missed
from bench.tokens import AWKWARD, Ledger, TokenKind, awkward, token
from bench.viewers import Audience
from bench.watching import AFTERWARDS, PAGE, WatchCost
from core.providers.http.answer import SseSplitter

GOOD = Figures(
    first_token=20,
    delay_p50=0.1,
    delay_p99=0.4,
    delay_max=1,
    stalls=0,
    tokens=250,
    lost=0,
    doubled=0,
    disordered=0,
    unfinished=0,
    cpu_us={"api": 20, "worker": 40, "litellm": 400, "driver": 10, "mock": 5},
    memory_mb={"api": 100, "worker": 120, "litellm": 500},
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
    reader = SseSplitter()
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += [event.data for event in reader.feed(stream[start:end])]

    assert events == [b"{}", "a\né".encode(), b" b"]


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile([3, 1, 2], 1) == 3
    assert median([5, 1, 3]) == 3
    assert math.isnan(median([]))


def reading(delays_ms: list[float], *, complete: bool = True) -> Reading:
    """An answer whose tokens came so late each."""
    read = Reading()
    for index, delay in enumerate(delays_ms):
        read.text(f"@{index}:1000000 ", 1_000_000 + int(delay * 1e6))
    read.complete = complete
    return read


def test_what_each_session_got_is_put_together() -> None:
    figures = Figures.of_readings([reading([1, 2, 3]), reading([4, 5], complete=False)], tokens=3)

    assert (figures.tokens, figures.lost, figures.unfinished) == (5, 1, 1)
    assert (figures.delay_p50, figures.delay_max) == (3, 5)


def test_a_stall_is_counted_once_however_long_it_is() -> None:
    figures = Figures.of_readings([reading([1, 300, 400, 1, 251, 250])], tokens=6)

    assert figures.stalls == 2


@pytest.mark.parametrize(
    ("change", "is_held"),
    [
        ({}, True),
        ({"delay_p99": 100.1}, False),
        ({"lost": 1}, False),
        ({"unfinished": 1}, False),
        ({"stalls": 9}, True),
    ],
)
def test_a_rung_is_held_if_nothing_is_lost_and_almost_nothing_late(change: dict[str, float], is_held: bool) -> None:
    assert msgspec.structs.replace(GOOD, **change).is_held is is_held


def test_the_figures_of_all_runs_are_medians_and_the_worst_maximum() -> None:
    runs = [msgspec.structs.replace(GOOD, first_token=t, delay_max=t, lost=1) for t in (30.0, 10.0, 20.0)]

    figures = Figures.of_runs(runs)
    assert (figures.first_token, figures.delay_max, figures.lost, figures.tokens) == (20, 30, 3, 750)


def results(**queue: float) -> Results:
    """Two runs on rungs of 1 to 200 sessions, which the queue holds and LiteLLM holds to 20; the queue's are `GOOD`
    with changes."""
    litellm = {20: GOOD, 40: msgspec.structs.replace(GOOD, delay_p99=500)}
    ours = {n: msgspec.structs.replace(GOOD, **{"first_token": 25, **queue}) for n in (1, 20, 40, 100, 200)}
    model = dict.fromkeys(ours, GOOD)
    memory = {"api": 300.0, "worker": 200.0, "worker 2": 200.0}
    phase = Phase("all", memory, dict.fromkeys(memory, 0.5))
    return Results(
        machine={"cores": "2"},
        processes={"mock": (), "direct": ("api",), "queue": ("api", "worker"), "litellm": ("litellm",)},
        runs=[{"mock": model, "direct": ours, "queue": ours, "litellm": litellm} for _ in range(2)],
        viewers=[Audience(100, 20.0, 1.0, 0)],
        watching=[WatchCost(PAGE, 110, 1.1, 90_000, 0), WatchCost(AFTERWARDS, 101, 1.01, 0, 0)],
        providers=[ProviderCost("openai", 50, 1.0, 0), ProviderCost("gemini", 60, 1.2, 0)],
        agents=costs_of_agents(1.05, 0.9),
        crowd=Crowd([phase], 3000, 3000, 0, 0),
    )


def costs_of_agents(worker: float, viewers: float) -> AgentCosts:
    """As so many times what they are beside."""
    costs = [[AgentCost("usual", 50, 1.0, 0), AgentCost("agent", 50, ratio, 0)] for ratio in (worker, 1.0, viewers)]
    return AgentCosts(*costs)


def test_the_most_sessions_without_loss_and_lateness_are_held() -> None:
    measured = results()

    assert measured.held("queue") == [200, 200]
    assert measured.held("litellm") == [20, 20]


def test_what_is_added_is_told_by_runs_in_which_both_were_measured() -> None:
    measured = results()
    measured.runs[1]["mock"] = {}

    assert measured.added_first_token("queue", 1) == 5
    assert math.isnan(measured.added_first_token("litellm", 1))


def test_the_cpu_of_a_contender_is_that_of_its_processes() -> None:
    assert results().cpu("queue", 100) == 60
    assert results().cpu("direct", 100) == 20


def test_no_target_is_missed_by_good_figures() -> None:
    assert missed(results()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"first_token": 29.0}, "added to first token at 1 session, ms: 9, target 8"),
        ({"delay_p50": 2.2}, "token delay p50 at 40 sessions, ms: 2.2, target 1.5"),
        ({"delay_p99": math.nan}, "token delay p99 at 40 sessions, ms: nan"),
        ({"delay_p99": 101}, "queue: sessions held: 0, target 160"),
        ({"lost": 1}, "queue, 40 sessions: 2 lost"),
        ({"doubled": 2}, "queue, 100 sessions: 4 doubled"),
    ],
)
def test_a_missed_target_is_named(change: dict[str, float], says: str) -> None:
    assert any(says in line for line in missed(results(**change)))


def test_a_missed_target_of_the_other_parts_is_named() -> None:
    measured = results()
    measured.viewers = [Audience(100, 26.0, 1.0, 0)]
    measured.watching = [WatchCost(PAGE, 120, 1.2, 90_000, 0), WatchCost(AFTERWARDS, 110, 1.1, 0, 0)]
    measured.providers.append(ProviderCost("ollama", 66, 1.31, 0))
    measured.agents = costs_of_agents(1.2, 1.1)
    memory = {"api": 401.0, "worker": 301.0, "worker 2": 300.0}
    measured.crowd = Crowd([Phase("all", memory, {})], 3000, 2999, 1, 0)

    assert missed(measured) == [
        "100 viewers: CPU of the API per token and viewer, µs: 26, target 25",
        "providers: CPU of a worker per token, times OpenAI's at most: 1.31, target 1.3",
        "watching: CPU per token with a page over 100 streams, times that without: 1.2, target 1.15",
        "watching: the same once it is closed: 1.1, target 1.05",
        "agents: CPU of a worker per token, times that of POST /chat: 1.2, target 1.1",
        "agents: CPU of the API per token and viewer over a WebSocket, times SSE's: 1.1, target 1",
        "crowd: tokens and answers lost or doubled: 2, target 0",
        "crowd: memory of the API, MB: 401, target 400",
        "crowd: memory of all workers, MB: 601, target 600",
    ]


def test_what_was_not_measured_is_missed() -> None:
    assert len(missed(Results(machine={}))) == len(TARGETS)


def test_the_report_has_a_row_for_whatever_was_measured() -> None:
    text = report(results())

    assert "| queue | 200 | 200, 200 |" in text
    assert "| 40 | litellm | 0.0 | 0.1 | 500.0 | 1.0 | 0 | 500 | 0 | 0 | 0 | 0 |" in text
    assert "| 100 | queue | 60 | api 20, worker 40 |" in text
    assert "| 100 | 20.0 | 1.0 | 0 |" in text
    assert "| one page | 110 | 1.10 | 90000 | 0 |" in text
    assert "3000 answers, 3000 complete" in text


def test_figures_stand_at_the_right_behind_words() -> None:
    rows = [("one", 1, "1.50"), ("two", 2, "2.00")]

    assert table_of(("", "tokens", "ms"), rows).splitlines() == [
        "|  | tokens | ms |",
        "| --- | ---: | ---: |",
        "| one | 1 | 1.50 |",
        "| two | 2 | 2.00 |",
    ]
    assert table_of(("tokens",), [[1]], words=0).splitlines()[1] == "| ---: |"
