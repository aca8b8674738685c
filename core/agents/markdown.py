"""An agent as a Markdown file: YAML between two lines `---`, and text below.

There are two layouts. With `system_prompt` among the keys, the text is the Markdown context. Without it the text is the
prompt, as in the files of other agents' tools; then a context is under the key `markdown_context`.
"""

import re
from typing import Any

from pydantic import ValidationError

from core.agents.agent import Agent
from core.agents.front_matter import BadYaml, FrontMatter
from core.agents.rules import AgentRules

MAX_BYTES = 1_048_576
"""Of a file: more than the longest prompt and context have, and other keys beside them."""

_KEYS = ("name", "system_prompt", "markdown_context", "model", "options", "tools", "owner")
_HEAD = re.compile(r"(---[ \t]*\n)(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class BadDocument(Exception):
    """What is wrong with a file, and in which line: without a word of what stands there, which may be secret."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what if line is None else f"line {line}: {what}")


def decode(data: bytes) -> str:
    """Raises BadDocument."""
    if len(data) > MAX_BYTES:
        raise BadDocument(f"it is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument("it is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None


def read(agent_id: str, text: str) -> Agent:
    """Raises BadDocument."""
    members = _Document(text).members(agent_id)
    return Agent(id=agent_id, document=text, **members)


def write(agent: Agent) -> Agent:
    """With its document as it is to be: changed where it says something else, or a new one. Raises BadDocument."""
    if agent.document is None:
        text = _new_document(agent)
    else:
        document = _Document(agent.document)
        before = document.members(agent.id)
        text = document.changed({key: value for key, value in _told(agent).items() if value != before[key]})
    if len(text.encode()) > MAX_BYTES:
        raise BadDocument(f"it would be larger than {MAX_BYTES:,} bytes")
    written = read(agent.id, text)
    if written.version != agent.version:
        raise BadDocument("it would not read as it was written")
    return written


def _new_document(agent: Agent) -> str:
    told = _told(agent)
    body = told.pop("markdown_context")
    return _joined(FrontMatter("").changed(_set(told)), body, has_gap=True)


def _told(agent: Agent) -> dict[str, Any]:
    return {key: getattr(agent, key) for key in _KEYS}


def _set(values: dict[str, Any]) -> dict[str, Any]:
    """What is empty is not there."""
    return {key: value or None for key, value in values.items()}


def _joined(front: str, body: str, *, has_gap: bool) -> str:
    """One blank line before the body is no part of it: so one that begins with such a line needs another."""
    gap = "\n" if body and (has_gap or body.startswith("\n")) else ""
    return f"---\n{front}---\n{gap}{body}"


class _Document:
    def __init__(self, text: str) -> None:
        """Raises BadDocument."""
        self._is_crlf = text.partition("\n")[0].endswith("\r")
        if self._is_crlf:
            text = text.replace("\r\n", "\n")
        head = _HEAD.match(text)
        if head is None:
            is_begun = text.startswith("---")
            raise BadDocument("there is no line --- that ends" if is_begun else "there is no line --- that begins", 1)
        self._text = text
        self._begin = head.start(2)
        try:
            self._front = FrontMatter(head[2])
        except BadYaml as error:
            raise self._bad(error) from error
        rest = text[head.end() :]
        self._has_gap = rest.startswith("\n")
        self._body = rest.removeprefix("\n")
        self._body_line = text.count("\n", 0, head.end()) + 1 + self._has_gap

    @property
    def _body_key(self) -> str:
        return "markdown_context" if "system_prompt" in self._front else "system_prompt"

    def members(self, agent_id: str) -> dict[str, Any]:
        """Raises BadDocument."""
        try:
            told = {key: self._front.value(key) for key in ("id", *_KEYS)}
        except BadYaml as error:
            raise self._bad(error) from error
        if (told_id := told.pop("id")) is not None and str(told_id) != agent_id:
            raise BadDocument("id: is not what the file is called", self._line("id"))
        if self._body_key in self._front:
            raise BadDocument("markdown_context: with system_prompt it is the text below", self._line(self._body_key))
        told[self._body_key] = self._body
        try:
            rules = AgentRules.model_validate({key: value for key, value in told.items() if value is not None})
        except ValidationError as error:
            raise self._invalid(error) from None
        return rules.members()

    def changed(self, changes: dict[str, Any]) -> str:
        body = changes.pop(self._body_key, self._body)
        text = _joined(self._front.changed(_set(changes)), body, has_gap=self._has_gap)
        return text.replace("\n", "\r\n") if self._is_crlf else text

    def _invalid(self, error: ValidationError) -> BadDocument:
        """Names the first thing that is wrong."""
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        key, *inner = map(str, first["loc"])
        told = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        what = f"{key}: {told}"
        if key not in self._front:
            return BadDocument(what, self._body_line if key == self._body_key else None)
        return BadDocument(what, self._line(key, *inner[:1]))

    def _bad(self, error: BadYaml) -> BadDocument:
        return BadDocument(str(error), self._text.count("\n", 0, self._begin + error.index) + 1)

    def _line(self, key: str, inner: str = "") -> int:
        return self._text.count("\n", 0, self._begin + self._front.place(key, inner)) + 1
