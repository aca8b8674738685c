"""Many answers at once: who joins and leaves when, what is kept, and that nobody's answer depends on the others."""

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from torch import Tensor

from core.providers.local.engine.prompts import Prompts
from core.providers.local.engine.running import new_scheduler
from core.providers.local.engine.sampling import Sampler
from core.providers.local.engine.scheduler import Scheduler
from core.providers.local.protocol import Ask, Ended, Failed, FromEngine, Options, Said, State, Stop
from core.providers.local.settings import EngineSettings
from tests.local.folders import tokenizer
from tests.patience import PATIENCE_SECONDS

WORDS = ["tape", "worker", "batch", "token", "byte", "written"]
GREEDY: dict[str, Any] = {"temperature": 0.0}


class Engine:
    """A scheduler in a thread, and what it has said."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._news: SimpleQueue[FromEngine] = SimpleQueue()
        self.heard: list[FromEngine] = []
        told = EngineSettings(model=str(folder), folder=str(folder), version="test", **settings)
        self.scheduler: Scheduler = new_scheduler(told, self._tell)
        self._thread = threading.Thread(target=self.scheduler.run)
        self._thread.start()

    def _tell(self, news: list[FromEngine]) -> None:
        for each in news:
            self._news.put(each)

    def close(self) -> None:
        self.scheduler.close()
        self._thread.join()

    def ask(self, number: int, *messages: str, begun: str = "", conversation: str = "", **options: Any) -> None:
        """`messages`: the user's and the answers, in turn."""
        roles = ("user", "assistant")
        told = [{"role": roles[at % 2], "content": text} for at, text in enumerate(messages)]
        self.scheduler.put(Ask(number, told, Options(**{**GREEDY, **options}), begun, conversation))

    def stop(self, number: int) -> None:
        self.scheduler.put(Stop(number))

    def hear(self) -> FromEngine:
        news = self._news.get(timeout=PATIENCE_SECONDS)
        self.heard.append(news)
        return news

    def end(self, number: int) -> tuple[str, Ended]:
        """The whole answer."""
        while not (ended := [each for each in self.heard if isinstance(each, Ended) and each.id == number]):
            self.hear()
        return "".join(each.text for each in self.heard if isinstance(each, Said) and each.id == number), ended[0]

    def failure(self, number: int) -> Failed:
        while not (failed := [each for each in self.heard if isinstance(each, Failed) and each.id == number]):
            self.hear()
        return failed[0]

    def answer(self, number: int, *messages: str, **more: Any) -> tuple[str, Ended]:
        self.ask(number, *messages, **more)
        return self.end(number)


@pytest.fixture
def engine(model_folder: Path) -> Iterator[Engine]:
    engine = Engine(model_folder, context=64, answers=4, kept=2, piece=8)
    yield engine
    engine.close()


def test_answers_that_come_together_are_as_alone(engine: Engine) -> None:
    alone = [engine.answer(number, word, max_tokens=30)[0] for number, word in enumerate(WORDS)]
    for number, word in enumerate(WORDS, 10):
        engine.ask(number, word, max_tokens=30)
    assert [engine.end(number)[0] for number in range(10, 10 + len(WORDS))] == alone
    assert len(set(alone)) > 1


def test_more_than_run_wait(engine: Engine) -> None:
    for number in range(6):
        engine.ask(number, "worker", max_tokens=200)
    while engine.scheduler.answering < 4:
        engine.hear()
    for number in range(6):
        assert engine.end(number)[1].output_tokens == 200


def test_one_that_is_stopped_leaves_its_place(engine: Engine) -> None:
    for number in range(4):
        engine.ask(number, "worker", max_tokens=100_000)
    engine.ask(4, "tape", max_tokens=5)
    engine.hear()
    engine.stop(2)
    assert engine.end(4)[1].output_tokens == 5
    for number in (0, 1, 3):
        engine.stop(number)
    assert engine.answer(5, "tape", max_tokens=5)[0] == engine.end(4)[0]


def test_one_that_waits_can_be_stopped(engine: Engine) -> None:
    for number in range(4):
        engine.ask(number, "worker", max_tokens=300)
    engine.ask(4, "tape", max_tokens=5)
    engine.stop(4)
    engine.ask(5, "tape", max_tokens=5)
    assert engine.end(5)[1].output_tokens == 5
    for number in range(4):
        engine.end(number)
    assert engine.answer(6, "tape", max_tokens=1)[1].output_tokens == 1
    assert 4 not in [each.id for each in engine.heard if not isinstance(each, State)]


def test_the_next_question_reads_only_what_is_new(engine: Engine) -> None:
    first, ended = engine.answer(1, "tape", conversation="c", max_tokens=10)
    assert ended.reason == "length"
    second, following = engine.answer(2, "tape", first, "worker", conversation="c", max_tokens=10)
    assert following.cached_tokens == ended.input_tokens + 9
    read_again, whole = engine.answer(3, "tape", first, "worker", max_tokens=10)
    assert whole.cached_tokens == 0
    assert following.input_tokens == whole.input_tokens
    assert second == read_again


SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = {"role": "user", "content": "tape"}
NEXT = {"role": "user", "content": "worker"}


@pytest.mark.parametrize(
    ("before", "then", "is_whole", "is_used"),
    [
        ([SYSTEM, FIRST], [SYSTEM, FIRST], False, True),
        ([SYSTEM, FIRST], [FIRST], False, False),
        ([FIRST], [SYSTEM, FIRST], False, False),
        ([FIRST, NEXT, FIRST], [FIRST], False, True),
        ([FIRST, NEXT, FIRST], [FIRST], True, False),
        ([FIRST, NEXT, FIRST], [FIRST, NEXT, FIRST], True, True),
    ],
)
def test_nothing_counts_that_is_not_asked_for_any_more(
    engine: Engine, before: list[Any], then: list[Any], is_whole: bool, is_used: bool
) -> None:
    options = Options(temperature=0.0, max_tokens=5)
    engine.scheduler.put(Ask(1, before, options, conversation="c"))
    text, _ = engine.end(1)
    answered = [*then, {"role": "assistant", "content": text}, NEXT]
    engine.scheduler.put(Ask(2, answered, options, conversation="c", is_whole=is_whole))
    assert (engine.end(2)[1].cached_tokens > 0) == is_used


def test_what_is_kept_without_room_for_more_is_left(engine: Engine) -> None:
    text, _ = engine.answer(1, "tape", conversation="c", mode="full", max_tokens=20)
    said = ["tape", text, "worker"]
    more, _ = engine.answer(2, *said, conversation="c", mode="full", max_tokens=5)
    _, ended = engine.answer(3, "worker", more, "byte", conversation="c", mode="full", max_tokens=5)
    assert (ended.cached_tokens, ended.output_tokens) == (0, 5)


def test_one_that_fails_fails_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = Sampler.choose

    def broken(sampler: Sampler, scores: Tensor) -> int:
        if sampler._sampling.seed == 13:
            raise ArithmeticError("13")
        return choose(sampler, scores)

    monkeypatch.setattr(Sampler, "choose", broken)
    for number in range(3):
        engine.ask(number, "worker", max_tokens=50)
    engine.ask(3, "tape", seed=13)
    assert "its log says why" in engine.failure(3).message
    assert [engine.end(number)[1].output_tokens for number in range(3)] == [50, 50, 50]
    for number in range(10, 14):
        engine.ask(number, "worker", max_tokens=3)
    assert [engine.end(number)[1].output_tokens for number in range(10, 14)] == [3] * 4


def test_what_is_kept_for_others_or_for_another_text_is_not_used(engine: Engine) -> None:
    first, _ = engine.answer(1, "tape", conversation="c", max_tokens=10)
    for number, (asked, conversation) in enumerate(
        [(("tape", first, "worker"), "d"), (("byte", first, "worker"), "c"), (("tape", "no", "worker"), "c")], 2
    ):
        _, ended = engine.answer(number, *asked, conversation=conversation, max_tokens=2)
        assert ended.cached_tokens == 0, asked


def test_the_beginning_may_have_been_left_out_of_the_question(engine: Engine) -> None:
    """A prompt has no room for a thousand turns; the cache has seen them."""
    said = ["tape"]
    for number in range(1, 6):
        answer, _ = engine.answer(number, *said, conversation="c", max_tokens=5)
        said += [answer, WORDS[number]]
    _, ended = engine.answer(9, *said[-3:], conversation="c", max_tokens=5)
    assert ended.cached_tokens > 64


def test_the_one_that_was_used_least_lately_goes(engine: Engine) -> None:
    said = {}
    for number, name in enumerate("abc"):
        said[name], _ = engine.answer(number, name, conversation=name, max_tokens=5)
    cached = {}
    for number, name in enumerate("cba", 10):
        _, ended = engine.answer(number, name, said[name], "worker", conversation=name, max_tokens=5)
        cached[name] = ended.cached_tokens > 0
    assert cached == {"c": True, "b": True, "a": False}


def test_an_answer_is_gone_on_with(engine: Engine) -> None:
    whole, _ = engine.answer(1, "tape", max_tokens=30)
    begun = whole[: len(whole) // 2]
    rest, _ = engine.answer(2, "tape", begun=begun, max_tokens=30)
    assert (begun + rest).startswith(whole)


def test_without_a_limit_only_full_ends(engine: Engine) -> None:
    _, ended = engine.answer(1, "tape", mode="full")
    assert (ended.reason, ended.input_tokens + ended.output_tokens) == ("length", 64)
    _, ended = engine.answer(2, "tape", max_tokens=300)
    assert ended.output_tokens == 300


def test_what_has_no_room_is_refused(engine: Engine) -> None:
    engine.ask(1, "x" * 200, mode="full")
    assert engine.failure(1).is_too_long
    engine.ask(2, "x", sinks=60)
    assert "60 sinks leave less than" in engine.failure(2).message
    _, ended = engine.answer(3, "x" * 200, max_tokens=5)
    assert ended.input_tokens > 64


def test_a_seed_says_the_same_again(engine: Engine) -> None:
    one, other, another = (
        engine.answer(number, "tape", seed=seed, temperature=1.0, max_tokens=20)[0]
        for number, seed in enumerate((5, 5, 6))
    )
    assert one == other != another


def test_a_stop_ends_an_answer(engine: Engine) -> None:
    whole, _ = engine.answer(1, "tape", max_tokens=30)
    stop = whole[10:13]
    cut, ended = engine.answer(2, "tape", stop=[stop], max_tokens=30)
    assert (cut, ended.reason) == (whole[: whole.index(stop)], "stop")


def test_a_new_one_waits_for_its_own_pieces_and_a_step_of_the_others_each(model_folder: Path) -> None:
    passes: list[list[FromEngine]] = []
    question = [{"role": "user", "content": "Every token of this text was written to a tape. " * 5}]
    pieces = -(-len(Prompts(tokenizer()).whole(question).tokens) // 8)

    def tell(news: list[FromEngine]) -> None:
        passes.append(news)
        if len(passes) == 5:
            scheduler.put(Ask(3, question, Options(**GREEDY)))
        if any(isinstance(each, Said) and each.id == 3 for each in news):
            scheduler.close()

    settings = EngineSettings(str(model_folder), str(model_folder), "test", context=256, answers=4, piece=8)
    scheduler = new_scheduler(settings, tell)
    for number in range(3):
        scheduler.put(Ask(number, [{"role": "user", "content": WORDS[number]}], Options(**GREEDY)))
    scheduler.run()
    meanwhile = passes[5:]
    assert len(meanwhile) == pieces > 5
    assert all({0, 1, 2} <= {each.id for each in news if isinstance(each, Said)} for news in meanwhile)
