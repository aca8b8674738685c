"""Stack traces, each a whole one between lines that are none."""

import pytest

from logs.records.joining import Line
from logs.records.parsing import MOST_BYTES
from logs.records.traces import MOST_LINES, TraceJoiner

PYTHON = """\
2026-11-29 11:00:00,123 ERROR failed
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
    ~^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in g
    raise ValueError("y") from None
app.errors.Wrong: y
  with more of it"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +------------------------------------"""
JAVA = """\
11:00:00.123 [main] ERROR c.e.App - failed
java.lang.IllegalStateException: no
\tat c.e.App.main(App.java:5)
\tSuppressed: java.io.IOException: closed
\t\tat c.e.App.close(App.java:9)
Caused by: java.lang.RuntimeException: why
\tat c.e.Other.f(Other.java:1)
\t... 12 more"""
NODE = """\
TypeError: Cannot read properties of undefined
    at f (/app/x.js:3:5)
    at Object.<anonymous> (/app/x.js:9:1) {
  code: 'X',
  [cause]: Error: why
      at g (/app/y.js:1:1)
}"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.(*Thing).do(0xc000012345, {0x1, 0x2})
\t/app/main.go:9 +0x1d
main.main()
\t/app/main.go:4 +0x1d
created by main.start in goroutine 1
\t/app/main.go:2
exit status 2"""
DOTNET = """\
Unhandled exception. System.InvalidOperationException: no
 ---> System.Exception: why
   at A.B() in /a/b.cs:line 3
   --- End of inner exception stack trace ---
   at A.Main() in /a/b.cs:line 9"""
DOTNET_CONSOLE = """\
fail: Microsoft.AspNetCore.Server.Kestrel[13]
      Connection id "1" failed
      System.Exception: why
         at A.B() in /a/b.cs:line 3"""
COLOURED = """\
\x1b[31mError: red\x1b[0m
\x1b[90m    at f (/app/x.js:3:5)\x1b[0m"""


def joined(texts: list[str]) -> list[str]:
    joiner = TraceJoiner()
    lines = [line.text for number, text in enumerate(texts) if (line := joiner.add(Line(text, 0.0, place=number)))]
    return [*lines, *([last.text] if (last := joiner.flush()) else [])]


@pytest.mark.parametrize("trace", [PYTHON, GROUP, JAVA, NODE, GO, DOTNET, DOTNET_CONSOLE, COLOURED])
def test_a_trace_is_one_line_as_it_was(trace: str) -> None:
    before, after = "INFO all is well", "2026-11-29 11:00:01,000 INFO going on"
    if trace == GROUP:  # it stands below what reports it
        trace = f"ERROR: in a task group\n{trace}"
    assert joined([before, *trace.split("\n"), after, after]) == [before, trace, after, after]


def test_indented_lines_that_are_no_trace_stay_alone() -> None:
    lines = ["total 5", "  a.py", "  b.py", '  "at" home', "", "end"]
    assert joined(lines) == [line for line in lines if line]


def test_a_trace_does_not_take_a_line_that_only_came_before_it() -> None:
    assert joined(["hello", *PYTHON.split("\n")[1:6]]) == ["hello", "\n".join(PYTHON.split("\n")[1:6])]


def test_the_place_is_the_last_lines() -> None:
    joiner = TraceJoiner()
    for number, text in enumerate(GO.split("\n")):
        assert joiner.add(Line(text, 0.0, place=number)) is None
    line = joiner.flush()
    assert line is not None
    assert line.place == GO.count("\n")
    assert not joiner.is_holding


def test_a_trace_without_end_is_bounded() -> None:
    joiner = TraceJoiner()
    joiner.add(Line("Error: deep", 0.0))
    for _ in range(MOST_LINES + 10):
        assert joiner.add(Line("    at f (x.js:1:1)" + " " * 200, 0.0)) is None
    line = joiner.flush()
    assert line is not None
    assert len(line.text) <= MOST_BYTES
    assert len(line.text) + line.cut == 11 + (MOST_LINES + 10) * 220
