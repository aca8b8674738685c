"""Front matter: the YAML at the head of an agent's file, read key by key and changed line by line.

Only the lines of what changes are written anew. All else that people have written there stays as it is to the letter:
other keys, their order, comments, quotes, blank lines. So it is PyYAML, which tells where things stand; the libraries
that keep comments write the whole text in a style of their own, and lose those beside what is taken out.

Its events are what is walked over, because that bounds the depth (libyaml's composer runs over the stack at some
thousand levels) and finds aliases before anything multiplies them.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

MAX_DEPTH = 16
"""Of lists and mappings in one another; an agent's own have two."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: ten times as fast."""
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML has as escapes only (YAML 1.1, 5.1)."""
_BLANKS = " \t\n"
_NOT_AS_IT_IS = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What a writer has to escape: control characters, and what YAML takes for the end of a line."""


class BadYaml(Exception):
    """`what` is wrong at the character `index`; nothing of the text is in it."""

    def __init__(self, what: str, index: int) -> None:
        super().__init__(what)
        self.index = index


class Entry(NamedTuple):
    """A key and its value, by where they stand in the text."""

    key: str
    start: int
    """Of its first line."""
    indent: int
    end: int
    """Behind the value."""
    inner: "list[Entry]"
    """Of a mapping whose keys stand on lines of their own."""


class FrontMatter:
    """Raises BadYaml for what is no mapping with each key on a line of its own."""

    def __init__(self, text: str) -> None:
        """`text` ends with a line break, unless it is empty."""
        if unprintable := _UNPRINTABLE.search(text):
            raise BadYaml("has a character that YAML does not have", unprintable.start())
        self._text = text
        self._entries = {entry.key: entry for entry in _Outline(text).entries()}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def value(self, key: str) -> Any:
        """None where there is none. Raises BadYaml for one that no plain value can be made of."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        try:
            (value,) = yaml.load(self._text[entry.start : entry.end], _LOADER).values()  # noqa: S506 - a safe one
        except Exception as error:  # `!!bool a` is a KeyError, 2024-13-45 a ValueError
            raise BadYaml(f"{key}: is no value that can be read", entry.start) from error
        return value

    def place(self, key: str, inner: str = "") -> int:
        """Where a key stands, or one within it."""
        entry = self._entries[key]
        return next((each.start for each in entry.inner if each.key == inner), entry.start)

    def changed(self, changes: Mapping[str, Any]) -> str:
        """The text with other values of some keys; what is None is taken out."""
        text = self._text
        for start, end, replacement in sorted(self._edits([*self._entries.values()], changes, 0), reverse=True):
            text = text[:start] + replacement + text[end:]
        return text

    def _edits(self, entries: list[Entry], changes: Mapping[str, Any], indent: int) -> Iterator[tuple[int, int, str]]:
        """`start, end, replacement`, of which none overlaps with another."""
        known = {entry.key: entry for entry in entries}
        added = ""
        for key, value in changes.items():
            entry = known.get(key)
            if entry is None:
                added += _written(key, value, indent) if value is not None else ""
            elif value is None:
                yield entry.start, self._next_line(entry.end), ""
            elif isinstance(value, dict) and entry.inner:
                gone = dict.fromkeys(each.key for each in entry.inner)
                before = self.value(key)
                others = {name: each for name, each in {**gone, **value}.items() if before.get(name) != each}
                yield from self._edits(entry.inner, others, entry.inner[0].indent)
            else:
                yield self._replacement(entry, value)
        if added:
            behind = self._next_line(entries[-1].end) if entries else len(self._text)
            yield behind, behind, added

    def _replacement(self, entry: Entry, value: Any) -> tuple[int, int, str]:
        """A comment behind the value goes with the key."""
        end = entry.start + len(self._text[entry.start : entry.end].rstrip(_BLANKS))
        comment = self._text[end : self._next_line(end)].rstrip(_BLANKS)
        first, _, others = _written(entry.key, value, entry.indent).partition("\n")
        return entry.start, self._next_line(end), f"{first}{comment}\n{others}"

    def _next_line(self, index: int) -> int:
        """The beginning of the line that follows the one that ends at the index, or goes on there."""
        if index and self._text[index - 1] == "\n":
            return index
        return self._text.index("\n", index) + 1


class _Outline:
    """Where the keys of a text stand."""

    def __init__(self, text: str) -> None:
        self._text = text

    def entries(self) -> list[Entry]:
        """Raises BadYaml."""
        try:
            return self._document(yaml.parse(self._text, _LOADER))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise BadYaml("is not valid YAML", mark.index if mark else 0) from error

    def _document(self, events: Iterator[yaml.Event]) -> list[Entry]:
        found: list[Entry] = []
        for event in events:
            if isinstance(event, yaml.MappingStartEvent) and not event.flow_style:
                found, _ = self._mapping(events, 1)
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                raise BadYaml("has to be lines of a key, a colon and a value", _start(event))
            elif isinstance(event, yaml.DocumentStartEvent | yaml.DocumentEndEvent) and event.explicit:
                raise BadYaml("has more than one part, by a line --- or ...", _start(event))
        return found

    def _mapping(self, events: Iterator[yaml.Event], depth: int) -> tuple[list[Entry], int]:
        """With where it ends. Its first event is taken."""
        found: dict[str, Entry] = {}
        end = 0
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise BadYaml("has a key that is no text", _start(event))
            at = _start(event)
            start = self._text.rfind("\n", 0, at) + 1
            if self._text[start:at].strip(" "):
                raise BadYaml("has a key that does not begin its line", at)
            if event.value == "<<":
                raise BadYaml("has a merge key (<<), which files of agents may not have", at)
            if event.value in found:
                raise BadYaml("has a key for the second time", at)
            inner, end = self._value(events, depth)
            found[event.value] = Entry(event.value, start, at - start, end, inner)
        return [*found.values()], end

    def _value(self, events: Iterator[yaml.Event], depth: int) -> tuple[list[Entry], int]:
        event = next(events)
        if depth == 1 and isinstance(event, yaml.MappingStartEvent) and not event.flow_style:
            return self._mapping(events, depth + 1)
        return [], self._end_of(event, events, depth)

    def _end_of(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> int:
        """Of the value that begins with the event."""
        if isinstance(event, yaml.AliasEvent):
            raise BadYaml("has an alias (*), which files of agents may not have", _start(event))
        if depth > MAX_DEPTH:
            raise BadYaml(f"is nested deeper than {MAX_DEPTH} levels", _start(event))
        end = _end(event)
        if not isinstance(event, yaml.CollectionStartEvent):
            return end
        for inner in events:
            if isinstance(inner, yaml.CollectionEndEvent):
                return _end(inner) if event.flow_style else end
            end = self._end_of(inner, events, depth + 1)
        return end


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _end(event: yaml.Event) -> int:
    return event.end_mark.index if event.end_mark else 0


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, where YAML can have them so."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, _style(text))


def _style(text: str) -> str | None:
    """None: as YAML's writer has it. A block that ends with blank lines it would close by three dots."""
    if _NOT_AS_IT_IS.search(text) or text == "\n" or text.endswith("\n\n"):
        return '"'
    return "|" if "\n" in text else None


_Dumper.add_representer(str, _represent_text)


def _written(key: str, value: Any, indent: int) -> str:
    text: str = yaml.dump({key: value}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=math.inf)
    return text if not indent else re.sub("^(?=.)", " " * indent, text, flags=re.MULTILINE)
