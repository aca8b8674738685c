"""The cache against one masked pass over the whole text, whatever comes in which pieces, whoever joins or leaves."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.providers.local.engine.building import Size, with_cache
from core.providers.local.engine.cache.plans import Place
from core.providers.local.engine.cache.window import Window
from core.providers.local.engine.model import CachedModel
from tests.local import whole_text
from tests.local.models import FAMILIES, LOCAL_WINDOW, VOCABULARY, tiny

ROWS, SLOTS = 3, 24
CLOSE = 1e-6
"""Scores are float32, all else is float64."""
LOCAL = Window(0, LOCAL_WINDOW)


class Session:
    """Of one row: what it has read, and the scores that came of it."""

    def __init__(self, row: int, window: Window, seed: int) -> None:
        self.window = window
        self.text: list[int] = []
        self.scores: dict[int, torch.Tensor] = {}
        self._row = row
        self._random = random.Random(seed)

    @property
    def place(self) -> Place:
        return Place(self._row, len(self.text), self.window)

    def next_tokens(self, count: int) -> list[int]:
        return [self._random.randrange(VOCABULARY) for _ in range(count)]

    def has_read(self, tokens: list[int], scores: torch.Tensor) -> None:
        self.text += tokens
        self.scores[len(self.text) - 1] = scores

    def check(self, model: CachedModel) -> None:
        if not self.scores:
            return
        expected = whole_text.scores(model.model, self.text, self.window, LOCAL)
        for place, scores in self.scores.items():
            assert torch.allclose(scores.double(), expected[place], atol=CLOSE), place


windows = st.builds(Window, st.integers(0, 6), st.integers(2, SLOTS - 6))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, ROWS - 1), windows, st.integers(0, 1000)),
        st.tuples(st.just("leave"), st.integers(0, ROWS - 1)),
        st.tuples(st.just("piece"), st.integers(0, ROWS - 1), st.integers(1, SLOTS)),
        st.tuples(st.just("steps"), st.sets(st.integers(0, ROWS - 1), min_size=1), st.integers(1, 30)),
    ),
    min_size=3,
    max_size=14,
)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> CachedModel:
    return with_cache(tiny(request.param), Size(ROWS, SLOTS))


@settings(max_examples=25)
@given(script=steps)
def test_it_is_as_one_pass_over_the_whole_text(model: CachedModel, script: list[tuple[object, ...]]) -> None:
    sessions: dict[int, Session] = {}
    for step in script:
        match step:
            case ("join", int(row), Window() as window, int(seed)):
                model.forget(row)
                if row in sessions:
                    sessions.pop(row).check(model)
                sessions[row] = Session(row, window, seed)
            case ("leave", int(row)):
                if row in sessions:
                    sessions.pop(row).check(model)
            case ("piece", int(row), int(size)):
                if session := sessions.get(row):
                    tokens = session.next_tokens(min(size, session.window.recent))
                    session.has_read(tokens, model.read(session.place, tokens)[0])
            case ("steps", set() as rows, int(count)):
                active = [sessions[row] for row in sorted(rows) if row in sessions]
                for _ in range(count if active else 0):
                    tokens = [session.next_tokens(1)[0] for session in active]
                    scores = model.step([session.place for session in active], tokens)
                    for number, session in enumerate(active):
                        session.has_read([tokens[number]], scores[number])
    for session in sessions.values():
        session.check(model)


def test_sinks_change_nothing_while_all_has_room(model: CachedModel) -> None:
    text = Session(0, Window(0, SLOTS), 5).next_tokens(SLOTS)
    scores = []
    for row, window in enumerate((Window(0, SLOTS), Window(4, SLOTS - 4))):
        model.forget(row)
        scores.append(
            torch.stack([model.step([Place(row, place, window)], [token])[0] for place, token in enumerate(text)])
        )
    one, other = scores
    assert torch.allclose(one, other, atol=CLOSE)
    assert torch.equal(one.argmax(-1), other.argmax(-1))


def test_a_text_that_broke_the_numbers_leaves_nothing_behind(model: CachedModel) -> None:
    window = Window(2, SLOTS - 2)
    for kind in model.cache.kinds:
        kind.memory.keys[:, 1] = torch.nan
        kind.memory.values[:, 1] = torch.nan
    for row in (0, 1):
        model.forget(row)
    model.read(Place(0, 0, window), list(range(12)))
    model.read(Place(1, 0, window), list(range(10)))
    scores = model.step([Place(0, 12, window), Place(1, 10, window)], [5, 6])
    assert not scores.isnan().any()


def test_neighbours_change_nothing_to_the_last_bit(model: CachedModel) -> None:
    """In steps of one shape; those of another may round otherwise."""
    window = Window(2, 10)
    text = Session(0, window, 5).next_tokens(40)
    told = []
    for seed in (6, 7):
        neighbours = [Session(row, window, seed + row) for row in (0, 2)]
        for row in range(ROWS):
            model.forget(row)
        scores = []
        for place, token in enumerate(text):
            one, other = (neighbour.next_tokens(1)[0] for neighbour in neighbours)
            places = [Place(row, place, window) for row in range(ROWS)]
            scores.append(model.step(places, [one, token, other])[1])
        told.append(torch.stack(scores))
    assert torch.equal(*told)
