"""A conversation as the tokens that a model reads."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

Message = dict[str, Any]
Tool = dict[str, Any]

_MARK = "\ue000hopstream\ue001"
"""Stands for a text whose place in the rendered conversation is looked for: of private characters."""
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

    def whole(self, messages: Sequence[Message], begun: str = "", tools: Sequence[Tool] = ()) -> Prompt:
        """`begun`: of the answer. Raises BadConversation."""
        if tools and not self._has_tools:
            raise BadConversation("the model's chat template knows no tools")
        text = self._render(messages, tools, asks=True) if not begun else self._up_to_answer(messages, tools) + begun
        return Prompt(self._encode(text), self._system(messages, tools, text))

    def following(self, messages: Sequence[Message], answered: int) -> list[int]:
        """What comes behind the text of the answer at the place `answered` of the messages, up to the next answer."""
        text = self._render(_marked(messages, answered), asks=True)
        return self._encode(text.rpartition(_MARK)[2])

    def _up_to_answer(self, messages: Sequence[Message], tools: Sequence[Tool]) -> str:
        answer = {"role": "assistant", "content": _MARK}
        return self._render([*messages, answer], tools, asks=False).rpartition(_MARK)[0]

    def _system(self, messages: Sequence[Message], tools: Sequence[Tool], text: str) -> int:
        if not messages or messages[0]["role"] != "system":
            return 0
        places = [at for at, message in enumerate(messages) if message["role"] != "system"]
        if not places:
            return 0
        before = self._render(_marked(messages, places[0]), tools, asks=False).partition(_MARK)[0]
        content = str(messages[0]["content"])
        end = before.find(content) + len(content)
        return len(self._encode(text[:end])) if content and text.startswith(before[:end]) else 0

    def _render(self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, asks: bool) -> str:
        template = None if self._has_template else PLAIN_TEMPLATE
        try:
            rendered = self._tokenizer.apply_chat_template(
                self._harmless(messages),
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
        """The template has said which special tokens there are."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _marked(messages: Sequence[Message], place: int) -> list[Message]:
    return [{**message, "content": _MARK} if at == place else message for at, message in enumerate(messages)]
