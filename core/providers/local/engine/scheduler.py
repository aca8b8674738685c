"""The scheduler: many answers at once. New ones are read in pieces between two tokens of the others."""

from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

import msgspec
import structlog
from tokenizers import Tokenizer
from torch import Tensor

from core.providers.local.engine.answer import Answer
from core.providers.local.engine.model import CachedModel
from core.providers.local.engine.questions import Questions, Refused, Understood
from core.providers.local.engine.rows import Rows
from core.providers.local.protocol import Ask, Ended, Failed, FromEngine, FromProvider, Said, Stop

log = structlog.get_logger()


class Limits(msgspec.Struct, frozen=True):
    answers: int
    """That run at once; others wait."""
    kept: int
    """Conversations whose cache is kept beside them."""
    piece: int
    """Tokens that are read at once, while other answers wait."""

    @property
    def rows(self) -> int:
        return self.answers + self.kept


class _Running(msgspec.Struct):
    answer: Answer
    understood: Understood
    text: list[str]


class Scheduler:
    """`put` from any thread; `run` is a thread's own, in which the model works."""

    def __init__(
        self,
        model: CachedModel,
        questions: Questions,
        tokenizer: Tokenizer,
        ends: frozenset[int],
        limits: Limits,
        tell: Callable[[list[FromEngine]], None],
    ) -> None:
        """`tell` is called from the thread of `run`, with what there is to say after each pass. `ends`: tokens that end
        an answer."""
        self._model = model
        self._questions = questions
        self._tokenizer = tokenizer
        self._ends = ends
        self._limits = limits
        self._tell = tell
        self._commands: SimpleQueue[FromProvider | None] = SimpleQueue()
        self._waiting: deque[Ask] = deque()
        self._running: dict[int, _Running] = {}
        self._rows = Rows(limits.rows, limits.answers)
        self._news: list[FromEngine] = []

    @property
    def answering(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def slots(self) -> int:
        return self._limits.answers

    def put(self, command: FromProvider) -> None:
        self._commands.put(command)

    def close(self) -> None:
        """`run` returns after the pass that runs."""
        self._commands.put(None)

    def run(self) -> None:
        while True:
            for command in self._heard():
                if command is None:
                    return
                self._obey(command)
            self._admit()
            self._read()
            self._step()
            if self._news:
                news, self._news = self._news, []
                self._tell(news)

    def _heard(self) -> Iterator[FromProvider | None]:
        """Waits where there is nothing else to do."""
        if not self._running and not self._waiting:
            yield self._commands.get()
        while True:
            try:
                yield self._commands.get_nowait()
            except Empty:
                return

    def _obey(self, command: FromProvider) -> None:
        match command:
            case Ask():
                self._waiting.append(command)
            case Stop(id=number):
                stopped = self._running.pop(number, None)
                if stopped is not None:
                    self._rows.free(stopped.answer.row)
                self._waiting = deque(ask for ask in self._waiting if ask.id != number)

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._limits.answers:
            ask = self._waiting.popleft()
            try:
                understood = self._questions.understand(ask, self._rows.find(ask.conversation))
            except Refused as refused:
                self._news.append(refused.told(ask.id))
                continue
            except Exception:  # noqa: BLE001 - it is this question's alone
                self._tell_broken(ask.id)
                continue
            ends = self._ends if not ask.options.ignore_eos else frozenset()
            answer = Answer(ask.id, understood.question, ends, self._tokenizer)
            if understood.is_following:
                answer.row = self._rows.resume(ask.conversation)
            else:
                answer.row = self._rows.take()
                self._model.forget(answer.row)
            self._running[ask.id] = _Running(answer, understood, [ask.begun] if ask.begun else [])
            if understood.opening:
                self._say(self._running[ask.id], understood.opening)

    def _read(self) -> None:
        """One piece of the first that has something to read."""
        reading = next((each for each in self._running.values() if each.answer.unread), None)
        if reading is None:
            return
        answer = reading.answer
        piece = answer.take_piece(self._limits.piece)
        scores = self._model.read(answer.place, piece)
        answer.seen(len(piece))
        self._running[answer.id] = self._running.pop(answer.id)  # the others' pieces come next
        if answer.is_read:
            self._choose(reading, scores[0])

    def _step(self) -> None:
        """One token of each that is read."""
        running = [each for each in self._running.values() if each.answer.is_read]
        if not running:
            return
        running.sort(key=lambda each: each.answer.row)  # those that lie side by side are quicker together
        scores = self._model.step([each.answer.place for each in running], [each.answer.next_token for each in running])
        for number, each in enumerate(running):
            each.answer.seen(1)
            self._choose(each, scores[number])

    def _choose(self, running: _Running, scores: Tensor) -> None:
        answer = running.answer
        try:
            text = answer.choose(scores)
        except Exception:  # noqa: BLE001 - it is this answer's alone
            del self._running[answer.id]
            self._rows.free(answer.row)
            self._tell_broken(answer.id)
            return
        if text:
            self._say(running, text)
        if answer.reason is None:
            return
        del self._running[answer.id]
        read = running.understood.read
        self._news.append(Ended(answer.id, answer.reason, read, answer.chosen, answer.question.length))
        kept = self._questions.kept(running.understood, answer, "".join(running.text))
        if kept is None:
            self._rows.free(answer.row)
        else:
            self._rows.keep(running.understood.ask.conversation, kept)

    def _say(self, running: _Running, text: str) -> None:
        running.text.append(text)
        self._news.append(Said(running.answer.id, text))

    def _tell_broken(self, number: int) -> None:
        """One that raises what nobody has thought of; the others' answers are worth more than to find out."""
        log.exception("an answer has failed", action="local.answer")
        self._news.append(Failed(number, "the engine cannot answer this question: its log says why"))
