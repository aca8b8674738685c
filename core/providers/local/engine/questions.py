"""What a question asks of the engine: its tokens, its window, and whether its conversation is known."""

from collections.abc import Sequence

import msgspec

from core.providers.local.engine.answer import Answer, Question
from core.providers.local.engine.cache.window import Window
from core.providers.local.engine.prompts import BadConversation, Message, Prompt, Prompts
from core.providers.local.engine.rows import Kept
from core.providers.local.engine.sampling import Sampling
from core.providers.local.protocol import Ask, Failed, Mode, Options

LEAST_RECENT = 16
"""Tokens; sinks leave as many."""


class Refused(Exception):
    def __init__(self, message: str, *, is_too_long: bool = False) -> None:
        super().__init__(message)
        self._message = message
        self._is_too_long = is_too_long

    def told(self, number: int) -> Failed:
        return Failed(number, self._message, is_of_request=True, is_too_long=self._is_too_long)


class Understood(msgspec.Struct, frozen=True):
    ask: Ask
    question: Question
    read: int
    """Tokens of the question in all."""
    is_following: bool
    """The row that is kept for its conversation has all that comes before."""
    opening: str
    """Of the answer, which the template has written already: it is said first."""


class Defaults(msgspec.Struct, frozen=True):
    """For what a question does not say. `slots`: tokens that a row has room for."""

    slots: int
    mode: Mode
    sinks: int | str
    sampling: Sampling


class Questions:
    def __init__(self, prompts: Prompts, defaults: Defaults) -> None:
        self._prompts = prompts
        self._defaults = defaults

    def understand(self, ask: Ask, kept: Kept | None) -> Understood:
        """`kept`: of its conversation. Raises Refused."""
        try:
            return self._following(ask, kept) or self._new(ask)
        except BadConversation as error:
            raise Refused(str(error)) from error

    def kept(self, understood: Understood, answer: Answer, text: str) -> Kept | None:
        """For the next question of the conversation; None where the cache has something else than the text."""
        ask = understood.ask
        if not ask.conversation or ask.tools or answer.is_cut:
            return None
        messages = [*ask.messages, {"role": "assistant", "content": text}]
        unseen = answer.next_token if answer.reason == "length" else -1
        has_system = messages[0]["role"] == "system"
        return Kept(answer.row, answer.length, unseen, answer.question.window, has_system, _hashes(messages))

    def _new(self, ask: Ask) -> Understood:
        prompt = self._prompts.whole(ask.messages, ask.begun, ask.tools)
        if not prompt.tokens:
            raise Refused("there is nothing to answer")
        window = self._window(ask.options, prompt.system)
        return self._understood(ask, prompt, window, 0)

    def _following(self, ask: Ask, kept: Kept | None) -> Understood | None:
        """None where what is kept is not what comes before the question."""
        answered = max((at for at, message in enumerate(ask.messages) if message["role"] == "assistant"), default=-1)
        if kept is None or ask.begun or ask.tools or answered < 0:
            return None
        if not _continues(ask.messages[: answered + 1], kept, is_whole=ask.is_whole):
            return None
        system = kept.window.sinks if ask.options.sinks in (None, "system") else 0
        if self._window(ask.options, system) != kept.window:
            return None
        unseen = [kept.next_token] if kept.next_token >= 0 else []
        prompt = self._prompts.following(ask.messages, answered)
        tokens = unseen + prompt.tokens
        if self._mode(ask.options) == "full" and kept.length + len(tokens) >= self._defaults.slots:
            return None  # the question alone may have room, without what was left out of it
        return self._understood(ask, prompt._replace(tokens=tokens), kept.window, kept.length)

    def _understood(self, ask: Ask, prompt: Prompt, window: Window, length: int) -> Understood:
        options, read = ask.options, length + len(prompt.tokens)
        most = options.max_tokens or 1 << 30
        if self._mode(options) == "full":
            room = self._defaults.slots - read
            if room < 1:
                raise Refused(
                    f"{read} tokens are more than the {self._defaults.slots} that there is room for (LOCAL_CONTEXT); "
                    "the mode sink has no such limit",
                    is_too_long=True,
                )
            most = min(most, room)
        question = Question(prompt.tokens, window, self._sampling(options), self._stops(options), most, length)
        return Understood(ask, question, read, length > 0, prompt.opening)

    def _window(self, options: Options, system: int) -> Window:
        """Raises Refused."""
        slots = self._defaults.slots
        mode = self._mode(options)
        if mode == "full":
            return Window(0, slots)
        size = min(options.window or slots, slots)
        if mode == "window":
            return Window(0, size)
        asked = options.sinks if options.sinks is not None else self._defaults.sinks
        sinks = system if asked == "system" else int(asked)
        if sinks > size - LEAST_RECENT:
            raise Refused(f"{sinks} sinks leave less than {LEAST_RECENT} of {size} tokens (LOCAL_CONTEXT, window)")
        return Window(sinks, size - sinks)

    def _mode(self, options: Options) -> Mode:
        return options.mode or self._defaults.mode

    def _sampling(self, options: Options) -> Sampling:
        asked = {name: getattr(options, name) for name in ("temperature", "top_p", "top_k")}
        told = {name: value for name, value in asked.items() if value is not None}
        return msgspec.structs.replace(self._defaults.sampling, seed=options.seed, **told)

    def _stops(self, options: Options) -> tuple[str, ...]:
        return (*options.stop, *self._prompts.stops)


def _continues(messages: Sequence[Message], seen: Kept, *, is_whole: bool) -> bool:
    """Whether these are the last that were seen, under the same system prompt: the first ones may have been left out of
    the question, because a prompt has no room for them, unless it `is_whole`."""
    if messages[0]["role"] != "system" and seen.has_system:
        return False
    hashes = _hashes(messages)
    if is_whole or len(hashes) >= len(seen.messages):
        return hashes == seen.messages
    first = int(seen.has_system)
    rest = hashes[first:]
    return hashes[:first] == seen.messages[:first] and seen.messages[len(seen.messages) - len(rest) :] == rest


def _hashes(messages: Sequence[Message]) -> tuple[int, ...]:
    return tuple(hash(msgspec.msgpack.encode(message)) for message in messages)
