"""The prompt of a turn: system prompt, earlier turns, the new message."""

from collections.abc import Iterable, Sequence

from core.model.tape import Tape
from core.providers.base import Message
from core.store.records import Earlier, Exchange


def build_messages(
    message: str, history: Sequence[Exchange], *, system_prompt: str | None, max_history_chars: int
) -> list[Message]:
    """`history` oldest first; it is trimmed by the rule of `newest_whole_exchanges`."""
    messages = [Message("system", system_prompt)] if system_prompt else []
    for exchange in newest_whole_exchanges(history, max_history_chars):
        messages += [Message("user", exchange.message), Message("assistant", exchange.answer)]
    return [*messages, Message("user", message)]


def newest_whole_exchanges(history: Sequence[Exchange], budget: int) -> list[Exchange]:
    """The newest exchanges that fit the budget (characters), whole, with no gap among them: half an answer misleads."""
    kept: list[Exchange] = []
    for exchange in reversed(history):
        budget -= len(exchange.message) + len(exchange.answer)
        if budget < 0:
            break
        kept.append(exchange)
    return kept[::-1]


def answered(earlier: Iterable[Earlier]) -> list[Exchange]:
    """The turns whose answer has text. Raises BadTape."""
    exchanges = [Exchange(each.message, Tape.decode(each.tape).text()) for each in earlier]
    return [exchange for exchange in exchanges if exchange.answer]
