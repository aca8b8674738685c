"""What a model writes between marks in its text: its thoughts, and calls of tools.

The marks are those of Qwen, and of most open models since: `<think>` thoughts `</think>` before the answer, and
`<tool_call>` an object with `name` and `arguments` `</tool_call>`.
"""

from typing import Literal

from core.model.parts import Part, Reasoning, Text
from core.providers.http.lenient_json import parse
from core.providers.http.reader import whole_call
from core.providers.local.beginnings import begun

THINK, THOUGHT = "<think>", "</think>"
CALL, CALLED = "<tool_call>", "</tool_call>"
Reads = Literal["text", "thought", "call"]
_AFTER: dict[str, Reads] = {THINK: "thought", THOUGHT: "text", CALL: "call", CALLED: "text"}


class MarkedText:
    """`feed` with an answer's text as it comes, then `finish`."""

    def __init__(self, before: str = "", *, has_tools: bool = False) -> None:
        """`before`: what the answer has said already. Without tools, a call is text."""
        self.has_called = False
        self._has_tools = has_tools
        self._has_said = bool(before.strip())
        self._reads: Reads = "text"
        self._held = ""
        """Not yet told: may be the beginning of a mark, or is in a call."""

    def feed(self, text: str) -> list[Part]:
        self._held += text
        told: list[Part] = []
        while (parts := self._next()) is not None:
            told += parts
        return told

    def finish(self) -> list[Part]:
        """What was held back: a mark or a call that has no end is text."""
        held, self._held = self._held, ""
        if self._reads == "call":
            held, self._reads = CALL + held, "text"
        return self._told(held)

    def _next(self) -> list[Part] | None:
        """Up to the next mark, or as far as none can begin; None: there is no more by now."""
        marks = self._marks()
        at, mark = min(((self._held.find(mark), mark) for mark in marks if mark in self._held), default=(-1, ""))
        if mark:
            inside, self._held = self._held[:at], self._held[at + len(mark) :]
            parts = self._told(inside)
            self._reads = _AFTER[mark]
            return parts
        if self._reads == "call":
            return None
        kept = max((begun(mark, self._held) for mark in marks), default=0)
        text, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return self._told(text) if text else None

    def _marks(self) -> list[str]:
        match self._reads:
            case "thought":
                return [THOUGHT]
            case "call":
                return [CALLED]
            case "text":
                return [THINK] * self._may_think() + [CALL] * self._has_tools

    def _may_think(self) -> bool:
        """Thoughts come before all text, or they are none."""
        first = self._held.lstrip()
        return not self._has_said and (first.startswith(THINK) or THINK.startswith(first))

    def _told(self, inside: str) -> list[Part]:
        match self._reads:
            case "thought":
                return [Reasoning(inside)] if inside else []
            case "call":
                return [self._call(inside)]
            case "text":
                self._has_said = self._has_said or bool(inside.strip())
                return [Text(inside)] if inside else []

    def _call(self, body: str) -> Part:
        """What is no call after all is text."""
        try:
            told = parse(body.encode())
            name, arguments = told["name"], told.get("arguments", {})
            call = whole_call(None, str(name), parse(arguments.encode()) if isinstance(arguments, str) else arguments)
        except (ValueError, OverflowError, TypeError, KeyError, AttributeError):
            return Text(CALL + body + CALLED)
        self.has_called = True
        return call
