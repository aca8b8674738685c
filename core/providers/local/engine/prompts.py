"""A conversation as the tokens that a model reads."""

import re
from collections.abc import Sequence
from secrets import token_hex
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from core.providers.base import ToolCallRequest
from core.providers.local.markup import THINK

Message = dict[str, Any]
Tool = dict[str, Any]

_MARK = f"\ue000{token_hex(16)}\ue001"
"""Stands for a text whose place in the rendered conversation is looked for; nobody can write it in a message."""
_UNSEEN = "\u200b"
PLAIN_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}User: {% elif message['role'] == 'assistant' %}Assistant: {% endif %}"
    "{{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For base models, which bring none."""
PLAIN_STOPS = ("\nUser:",)


class BadConversation(Exception):
    """A conversation that the model's template refuses."""


class Prompt(NamedTuple):
    tokens: list[int]
    system: int
    """So many of them are the system prompt's, with what stands around it."""
    opening: str = ""
    """Of the answer, which some templates write: the mark that begins its thoughts."""


class Prompts:
    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._has_template = tokenizer.chat_template is not None
        self._has_tools = "tools" in str(tokenizer.chat_template)
        special = sorted({str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}, key=len)
        self._special = re.compile("|".join(re.escape(text) for text in reversed(special)) or r"(?!)")

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer, beside the model's own tokens."""
        return () if self._has_template else PLAIN_STOPS

    @property
    def ends(self) -> frozenset[int]:
        """The special token that the template writes behind an answer, which some models do not tell otherwise."""
        user, answer = {"role": "user", "content": "."}, {"role": "assistant", "content": _MARK}
        try:
            behind = self._render([user, answer], asks=False).rpartition(_MARK)[2]
        except BadConversation:
            return frozenset()
        first = self._special.search(behind)
        return frozenset(self._encode(first[0])) if first is not None else frozenset()

    def whole(self, messages: Sequence[Message], begun: str = "", tools: Sequence[Tool] = ()) -> Prompt:
        """`begun`: of the answer. Raises BadConversation."""
        if tools and not self._has_tools:
            raise BadConversation("the model's chat template knows no tools")
        text = self._render(messages, tools, asks=True) if not begun else self._up_to_answer(messages, tools) + begun
        opening = "" if begun else _opening(text)
        return Prompt(self._encode(text), self._system(messages, tools, text), opening)

    def following(self, messages: Sequence[Message], answered: int) -> Prompt:
        """What comes behind the text of the answer at the place `answered` of the messages, up to the next answer."""
        text = self._render(_marked(messages, answered), asks=True).rpartition(_MARK)[2]
        return Prompt(self._encode(text), 0, _opening(text))

    def _up_to_answer(self, messages: Sequence[Message], tools: Sequence[Tool]) -> str:
        answer = {"role": "assistant", "content": _MARK}
        return self._render([*messages, answer], tools, asks=False).rpartition(_MARK)[0]

    def _system(self, messages: Sequence[Message], tools: Sequence[Tool], text: str) -> int:
        """Up to the end of its text; where the template has changed that, up to that of the next message."""
        if not messages or messages[0]["role"] != "system":
            return 0
        places = [at for at, message in enumerate(messages) if message["role"] != "system"]
        if not places:
            return 0
        before = self._render(_marked(messages, places[0]), tools, asks=False).partition(_MARK)[0]
        content = self._harmless(str(messages[0]["content"])).strip()
        at = before.find(content)
        end = at + len(content) if at >= 0 else len(before)
        return len(self._encode(text[:end])) if content and text.startswith(before[:end]) else 0

    def _render(self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, asks: bool) -> str:
        template = None if self._has_template else PLAIN_TEMPLATE
        try:
            rendered = self._tokenizer.apply_chat_template(
                [self._harmless(_with_arguments(message)) for message in messages],
                self._harmless(tools) or None,
                tokenize=False,
                add_generation_prompt=asks,
                chat_template=template,
            )
        except Exception as error:  # a template is a program, which raises what it likes
            raise BadConversation(f"the model's template refuses the conversation: {error}") from error
        return str(rendered)

    def _harmless(self, value: Any) -> Any:
        """No text in it ends its own message, or begins another: what the model would take for that is broken up by a
        character that nobody sees."""
        match value:
            case str():
                return self._special.sub(lambda found: found[0][:1] + _UNSEEN + found[0][1:], value)
            case dict():
                return {self._harmless(name): self._harmless(each) for name, each in value.items()}
            case list() | tuple():
                return [self._harmless(each) for each in value]
            case _:
                return value

    def _encode(self, text: str) -> list[int]:
        """The template has said which special tokens there are. Half characters become `?`."""
        return list(self._tokenizer.encode(text.encode(errors="replace").decode(), add_special_tokens=False))


def _marked(messages: Sequence[Message], place: int) -> list[Message]:
    return [{**message, "content": _MARK} if at == place else message for at, message in enumerate(messages)]


def _with_arguments(message: Message) -> Message:
    """Templates want the arguments of calls as objects."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    functions = [call["function"] for call in calls]
    objects = [ToolCallRequest("", each["name"], each["arguments"]).object() for each in functions]
    with_objects = [{**each, "arguments": value} for each, value in zip(functions, objects, strict=True)]
    return {
        **message,
        "tool_calls": [{**call, "function": each} for call, each in zip(calls, with_objects, strict=True)],
    }


def _opening(text: str) -> str:
    return THINK if text.rstrip().endswith(THINK) else ""
