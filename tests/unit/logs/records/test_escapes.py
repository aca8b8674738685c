"""What a terminal would obey is taken out, colours stay."""

import pytest

from logs.records.escapes import clean


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[38:2::1:2:3mx\x1b[m", "\x1b[38:2::1:2:3mx\x1b[m"),
        ("\x1b[?1h\x1b[2J\x1b[10;5Hx\x1b[K", "x"),
        ("\x9b31mx", "x"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ends", "0;never ends"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x1b(B\x1b7\x1b=x\x1b", "x"),
        ("a\x00b\x07c\x08d\x7fe\x85f", "abcdef"),
        ("50%\r60%\r\n", "50%\n60%\n"),
        ("a\tb\nc", "a\tb\nc"),
        ("\u202eabc\u2066", "<U+202E>abc<U+2066>"),
        ("\ud800é😀", "\ufffdé😀"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_stays_of_it(text: str, kept: str) -> None:
    assert clean(text) == kept
