"""One answer as it comes into being."""

from dataclasses import dataclass, field
from typing import Literal

from tokenizers import Tokenizer
from torch import Tensor

from core.providers.local.engine.cache.plans import Place
from core.providers.local.engine.cache.window import Window
from core.providers.local.engine.sampling import Sampler, Sampling
from core.providers.local.engine.text import AnswerText

Reason = Literal["stop", "length"]


@dataclass
class Question:
    """`unread` tokens are still to be read; before them the row's cache has seen `length`, which had been read before
    the question came. `most`: tokens of the answer."""

    unread: list[int]
    window: Window
    sampling: Sampling
    stops: tuple[str, ...]
    most: int
    length: int = 0


@dataclass
class Answer:
    """`row`, once it has one."""

    id: int
    question: Question
    ends: frozenset[int]
    """Tokens that end it."""
    tokenizer: Tokenizer
    row: int = -1
    length: int = 0
    """Tokens that the cache has seen."""
    next_token: int = -1
    """Chosen, and not yet seen by the cache."""
    chosen: int = 0
    reason: Reason | None = None
    unread: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        question = self.question
        self.unread, self.length = list(question.unread), question.length
        self._sampler = Sampler(question.sampling)
        self._text = AnswerText(self.tokenizer, question.unread, question.stops)

    @property
    def place(self) -> Place:
        return Place(self.row, self.length, self.question.window)

    @property
    def is_cut(self) -> bool:
        """The cache has seen more than was said: a stop, or its beginning."""
        return self._text.is_stopped

    @property
    def is_read(self) -> bool:
        return not self.unread

    def take_piece(self, most: int) -> list[int]:
        size = min(most, self.question.window.recent)
        piece, self.unread = self.unread[:size], self.unread[size:]
        return piece

    def seen(self, tokens: int) -> None:
        self.length += tokens

    def choose(self, scores: Tensor) -> str:
        """The next token by its scores; what there is to say by now. `reason` is set with the last one."""
        token = self._sampler.choose(scores)
        self.chosen += 1
        if token in self.ends:
            self.reason = "stop"
            return self._text.finish()
        self.next_token = token
        text = self._text.feed(token)
        if self._text.is_stopped:
            self.reason = "stop"
        elif self.chosen >= self.question.most:
            self.reason = "length"
            text += self._text.finish()
        return text
