"""Tokens that can be counted: their grammar, as the mock upstream writes it, and the ledger that reads it.

| kind | token | tells |
| --- | --- | --- |
| numbered | `t000123 ` | loss, doubling and order |
| stamped | `@123:8123456789 ` | the same, and when it was sent, by `time.monotonic_ns()` |
| lorem | `lorem ` | nothing: looks like prose |

All count from 0. The monotonic clock is one for all processes of a Linux machine, so that delays are exact.
"""

import re
import time
from typing import Literal

TokenKind = Literal["numbered", "stamped", "lorem"]

LOREM = (
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet,",
    "consectetur",
    "adipiscing",
    "elit,",
    "sed",
    "do",
    "eiusmod.",
)

# What breaks naive readers of a stream: characters beyond the BMP, joined and combining ones, line ends of
# every kind (also those that only Unicode knows) and text that looks like the framing around it.
AWKWARD = (
    "😀",
    "👩‍👩‍👧‍👦",
    "e\u0301",
    "\r\n",
    "data: [DONE]\n\n",
    "\u2028",
    '"}\\',
    "日本語",
    "\x85",
    "<b>&amp;",
)

_TOKEN = re.compile(r"(?:t(\d{6,})|@(\d+):(\d+)) ")
_LONGEST_TOKEN = 40  # characters: @, seven digits, a colon, nineteen digits and a blank, with room to spare


def token(kind: TokenKind, index: int) -> str:
    """The text of one token. A stamped one carries the moment of this call."""
    if kind == "stamped":
        return f"@{index}:{time.monotonic_ns()} "
    if kind == "numbered":
        return f"t{index:06d} "
    return LOREM[index % len(LOREM)] + " "


def awkward(index: int) -> str:
    """Awkward text to put behind a token. It never looks like a token, so the ledger reads past it."""
    return AWKWARD[index % len(AWKWARD)] + " "


class Ledger:
    """The books of one answer: which tokens arrived, how often, in what order and, if stamped, how late.

    Feed it the answer's text however it was cut into pieces.
    """

    def __init__(self) -> None:
        self.received = 0
        self.doubled = 0
        self.disordered = 0
        self.delays_ns: list[int] = []
        self._next = 0
        self._missing: set[int] = set()
        self._tail = ""

    def read(self, text: str, at_ns: int) -> None:
        """Book a piece of the answer that arrived at `at_ns` of the monotonic clock."""
        text = self._tail + text
        end = 0
        for match in _TOKEN.finditer(text):
            number, stamped_number, stamp = match.groups()
            if stamp is not None:
                self.delays_ns.append(at_ns - int(stamp))
            self._book(int(number or stamped_number))
            end = match.end()
        self._tail = text[max(end, len(text) - _LONGEST_TOKEN) :]

    def lost(self, sent: int) -> int:
        """How many of the `sent` tokens have not arrived."""
        return len(self._missing) + max(sent - self._next, 0)

    def _book(self, index: int) -> None:
        self.received += 1
        if index >= self._next:
            self._missing.update(range(self._next, index))
            self._next = index + 1
        elif index in self._missing:
            self._missing.remove(index)
            self.disordered += 1
        else:
            self.doubled += 1
