"""Tokens of an answer as text: whole characters, and nothing of what ends it."""

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from core.providers.local.beginnings import begun

CONTEXT_TOKENS = 16
"""That a token's text depends on, at most: the parts of its character before it, or whether a space is before it."""
_HALF = "\ufffd"
"""What decoders write for it."""


class AnswerText:
    """`feed` with each token, then `finish`."""

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int], stops: Sequence[str]) -> None:
        """`before`: the tokens that the answer follows, for what depends on them, such as a space at its begin."""
        self._tokenizer = tokenizer
        self._said = list(before[-CONTEXT_TOKENS:])
        is_whole = not tokenizer.decode(self._said).endswith(_HALF)  # else it would be said again
        self._stream = DecodeStream(ids=self._said if is_whole else [], skip_special_tokens=True)
        self._unsaid: list[int] = []
        """Tokens whose last character is not there yet, as far as can be seen: U+FFFD itself looks like a half one."""
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        """May be the beginning of a stop."""
        self.is_stopped = False

    def feed(self, token: int) -> str:
        """What there is to say by now; a character comes once all of its tokens are there."""
        self._unsaid.append(token)
        text = self._step(token)
        if text is not None:
            self._held += text
            self._said, self._unsaid = [*self._said, *self._unsaid][-CONTEXT_TOKENS:], []
        ends = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            self.is_stopped = True
            text, self._held = self._held[: min(ends)], ""
            return text
        kept = max((begun(stop, self._held) for stop in self._stops), default=0)
        text, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return text

    def finish(self) -> str:
        """What was held back, if it was no stop, without the half of a character."""
        text, self._held = self._held + self._rest(), ""
        return text

    def _step(self, token: int) -> str | None:
        try:
            return self._stream.step(self._tokenizer, token)
        except Exception:  # it raises no other  # noqa: BLE001
            # Bytes that were a character are none with the broken one behind them: they are said, and it goes on anew.
            self._stream = DecodeStream(skip_special_tokens=True)
            return self._stream.step(self._tokenizer, token)

    def _rest(self) -> str:
        if not self._unsaid:
            return ""
        before, whole = (self._tokenizer.decode(tokens) for tokens in (self._said, self._said + self._unsaid))
        if not whole.startswith(before):  # as in `_step`, and nothing comes behind it
            return ""
        rest = whole.removeprefix(before)
        is_whole = self._tokenizer.encode(rest, add_special_tokens=False).ids == self._unsaid
        return rest if is_whole else rest.rstrip(_HALF)
