"""Stack traces of Python, Java, JavaScript, Go and .NET are written line by line, and are one thing to read."""

import re

from logs.records.escapes import without_colours
from logs.records.joining import Line
from logs.records.levels import level_of_text
from logs.records.parsing import MOST_BYTES

SILENCE_SECONDS = 0.05
"""Then nothing belongs to the held line any more: a trace is written at once."""
MOST_LINES = 2000

_PYTHON = "Traceback (most recent call last):"
_GO = ("panic: ", "fatal error: ", "goroutine ", "[signal ")
_STARTS = (_PYTHON, *_GO, "Exception in thread ", "Exception ignored in", "Unhandled exception", "thread '")
_FRAME = re.compile(r"\s+(?:at \S|File \"|\.\.\. \d+ |\+ Exception Group Traceback|--- End of )")
_GOES_ON = re.compile(
    r"""Caused\ by:|Suppressed:|Wrapped\ by:|\.\.\.\ \d+\ |---\ End\ of\ |\s*--->\ |Traceback\ \(most\ recent
    |During\ handling\ of\ the\ above|The\ above\ exception\ was|Stack\ trace:|\#\d+\ |stack\ backtrace:|note:\ run
    |[}\])]+[,;]?$""",
    re.VERBOSE,
)
_GO_LINE = re.compile(r"goroutine \d|created by |exit status \d|\[signal |panic: |\[recovered")
_GO_FRAME = re.compile(r"[\w./*\[\]{}-]{1,300}+\(")
_PYTHON_END = re.compile(r"[A-Za-z_][\w.]*(?::|$)")
_JAVA_EXCEPTION = re.compile(r"(?:[a-z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable)(?::|$)")
_DOTNET_HEAD = re.compile(r"(?:trce|dbug|info|warn|fail|crit): \S+\[\d+\]$")
"""Its ConsoleLogger: the message stands below, indented."""


class TraceJoiner:
    """Of one stream of lines. Holds the last one back: whoever has no next one for it soon flushes."""

    def __init__(self) -> None:
        self._held: Line | None = None
        self._more: list[str] = []
        self._blank = 0
        """Lines; they belong to the trace only if it goes on behind them."""
        self._bytes = 0
        self._trace = ""
        """python, python's end, go, other; empty as long as it is no trace."""

    @property
    def is_holding(self) -> bool:
        return self._held is not None

    def add(self, line: Line) -> Line | None:
        """Returns the one before, whole, unless this one belongs to it. Those without any text are nothing."""
        if not line.text or line.text.isspace():
            self._blank += bool(self._trace)
            return None
        if self._held is not None and self._continues(line.text):
            self._append(self._held, line)
            return None
        before = self.flush()
        self._held = line
        self._bytes = len(line.text)
        self._trace = _kind(_bare(line.text))
        return before

    def flush(self) -> Line | None:
        held = self._held
        if held is not None and self._more:
            held.text = "\n".join((held.text, *self._more))
        self._held, self._more, self._blank, self._bytes, self._trace = None, [], 0, 0, ""
        return held

    def _append(self, held: Line, line: Line) -> None:
        size = len(line.text.encode("utf-8", "replace")) + 1 + self._blank
        if self._bytes + size > MOST_BYTES or len(self._more) + self._blank >= MOST_LINES:
            held.cut += size
        else:
            self._more += [""] * self._blank
            self._more.append(line.text)
            self._bytes += size
        self._blank = 0
        held.cut += line.cut
        held.place = line.place

    def _continues(self, text: str) -> bool:
        if not self._trace:
            return self._becomes_trace(text)
        bare = _bare(text)
        is_indented = bare[0] in " \t"
        if self._trace == "python" and not is_indented and not self._blank and _PYTHON_END.match(bare):
            self._trace = "python's end"
            return True
        if bare.startswith(_PYTHON):
            self._trace = "python"
            return True
        if is_indented and not self._blank:
            return True
        if self._trace == "go" and (_GO_LINE.match(bare) or (bare[-1] == ")" and _GO_FRAME.match(bare))):
            return True
        return _GOES_ON.match(bare) is not None

    def _becomes_trace(self, text: str) -> bool:
        if text[0] in " \t\x1b":
            bare = _bare(text)
            held = self._held
            if _FRAME.match(bare) or (held and bare.startswith("      ") and _DOTNET_HEAD.match(_bare(held.text))):
                self._trace = "other"
                return True
            text = bare
        kind = _kind(text)
        if not kind and not (text[0].islower() and _JAVA_EXCEPTION.match(text)):
            return False
        if not self._held or not _is_bad(_bare(self._held.text)):
            return False
        self._trace = kind or "other"
        return True


def _bare(text: str) -> str:
    return without_colours(text) or text


def _kind(text: str) -> str:
    if not text.startswith(_STARTS):
        return ""
    if text.startswith(_PYTHON):
        return "python"
    return "go" if text.startswith(_GO) else "other"


def _is_bad(text: str) -> bool:
    """Whether a line is one that a trace may stand below."""
    return (
        "rror" in text
        or "xception" in text
        or level_of_text(_behind_time(text), 0, has_time=True)
        in (
            "warning",
            "error",
            "critical",
        )
    )


def _behind_time(text: str) -> str:
    return re.sub(r"^[\d\s\-/:.,TZ+\[]+", "", text[:200])
