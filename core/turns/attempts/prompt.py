"""The prompt of a turn: the system prompt, which its agent has or the operator, then earlier turns and the new message,
or the messages that the turn came with; and what the model has said in this turn so far, with its tools' results."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from core.model.tape import Tape
from core.providers.base import Kept, Message, Request
from core.providers.catalogue.checks import check
from core.providers.catalogue.models import Model
from core.settings import Settings
from core.store.turns.records import Earlier, Turn
from core.turns.attempts.answer_messages import answer_messages
from core.turns.attempts.rest import Rest
from core.turns.attempts.steps import Steps

ROOM_SHARE = 0.75
"""Of what the model can read, for a prompt that had to be made shorter. The rest is for the answer."""


class Exchange(msgspec.Struct, frozen=True):
    """An earlier question and what was answered, tools and their results among it."""

    message: str
    answer: list[Message]

    @property
    def chars(self) -> int:
        arguments = sum(len(call.arguments) for message in self.answer for call in message.tool_calls)
        said = sum(len(message.text()) + len(message.reasoning) for message in self.answer)
        return len(self.message) + said + arguments


class Prompt:
    """What a turn asks, made anew where the model cannot read so much."""

    def __init__(self, turn: Turn, settings: Settings, steps: Steps | None = None) -> None:
        """Raises BadTape. Uses up the turn's earlier ones: they are far more than fits, perhaps."""
        self._turn = turn
        self._steps = steps
        asked: dict[str, Any] = turn.input or {}
        self._asked = asked
        self._system_prompt = asked["agent"]["system"] if "agent" in asked else settings.system_prompt
        self._given = msgspec.convert(asked["messages"], list[Message]) if "messages" in asked else None
        self._history = newest_whole_exchanges(answered(turn.earlier), settings.max_history_chars)
        turn.earlier.clear()

    def request(
        self,
        model: Model,
        attempt: int,
        rest: Rest | None = None,
        on_kept: Callable[[Kept], None] | None = None,
    ) -> Request:
        """`rest`: what is asked for where there is something of the answer. Raises UnsupportedOption."""
        begun = rest.begun if rest is not None else None
        messages, options = self._messages(), self._turn.options
        if self._steps is not None:
            messages += self._steps.messages()
        if begun is not None:
            messages.append(Message("assistant", begun.text))
            if "max_tokens" in options:
                options = {**options, "max_tokens": max(1, options["max_tokens"] - begun.tokens)}
        request = Request(
            model.service_model,
            messages,
            options,
            attempt,
            tools=(self._steps and self._steps.specs) or self._asked.get("tools"),
            tool_choice=self._asked.get("tool_choice") if self._is_first_step else None,
            response_format=self._asked.get("response_format"),
            provider_options=self._asked.get("provider_options") or {},
            goes_on=begun.way if begun is not None else False,
            kept=rest.kept if rest is not None else None,
            conversation=self._turn.key.session_id,
            is_whole=self._given is not None,
            on_kept=on_kept,
        )
        check(request, model)
        return request

    def shorten(self, fits: float | None) -> bool:
        """Leave out the oldest exchanges, so that there is room for an answer as well; False where there are none.

        `fits`: the share of the prompt that the model can read, where its service tells.
        """
        if self._given is not None or not self._history:
            return False
        history = sum(exchange.chars for exchange in self._history)
        whole = history + len(self._turn.message) + len(self._system_prompt or "")
        room = history // 2 if fits is None else history - int(whole * (1 - fits * ROOM_SHARE))
        self._history = newest_whole_exchanges(self._history[1:], room)
        return True

    @property
    def exchanges(self) -> int:
        """How many earlier ones it has."""
        return len(self._history)

    @property
    def _is_first_step(self) -> bool:
        """`tool_choice` goes for this one alone: a model that had to call a tool may answer in a later one."""
        return self._steps is None or self._steps.number == 1

    def _messages(self) -> list[Message]:
        messages = [Message("system", self._system_prompt)] if self._system_prompt else []
        if self._given is not None:
            return messages + self._given
        for exchange in self._history:
            messages += [Message("user", exchange.message), *exchange.answer]
        return [*messages, Message("user", self._turn.message)]


def newest_whole_exchanges(history: Sequence[Exchange], budget: int) -> list[Exchange]:
    """The newest exchanges that fit the budget (characters), whole, with no gap among them: half an answer misleads."""
    kept: list[Exchange] = []
    for exchange in reversed(history):
        budget -= exchange.chars
        if budget < 0:
            break
        kept.append(exchange)
    return kept[::-1]


def answered(earlier: Iterable[Earlier]) -> list[Exchange]:
    """The turns whose answer can be shown to a model. Raises BadTape."""
    exchanges = [Exchange(each.message, answer_messages(Tape.decode(each.tape).slice())) for each in earlier]
    return [exchange for exchange in exchanges if exchange.answer]
