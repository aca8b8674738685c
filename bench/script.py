"""What the mock upstream does for a request, scripted by the name of the model asked for.

    mock?tokens=200&rate=50&ttft=0.02&text=numbered

Before the `?` stands any name, behind it options as in a URL's query; what is left out has the server's
default. An unknown option, or a value that cannot be, is answered with 400.

the answer
  tokens=N        tokens of text (100)
  rate=R          tokens per second, 0 is as fast as the client reads (50)
  ttft=S          seconds to the first token (0.02); token i is due at ttft + i / rate, whatever was before
  jitter=S        each token comes up to so many seconds later, by chance (0)
  text=KIND       numbered, stamped or lorem, see bench/tokens.py (numbered)
  unicode         emoji, combining characters, line ends and "data:" between the tokens
  reasoning=N     tokens of reasoning_content before the text: r000000, r000001, ... (0)
  continues       goes on with what a last message of the assistant's says, as llama.cpp does
  tools=N         streamed tool calls after the text, of the tools that the request offers (0)
  steps=N         only the first N answers of a turn call tools; the tokens of each count on from those before (0: all)
  hold_after=N    streams N tokens and no more until `POST /release/ID` names its id; those that fell due come at once,
                  or until `POST /release/ID/M`, which lets M come

failures
  status=CODE     answers with that HTTP status and OpenAI's error body
  retry_after=S   with a Retry-After header
  hang            never answers
  stall_after=N   sends nothing more after N tokens, and leaves the connection open
  garbage=KIND    sends rubbish after garbage_after=N tokens (0), and ends the stream without [DONE]:
                  json (an event that is cut off), html (a gateway's error page) or
                  error (OpenAI's error object as an event)
  drop_after=N    closes the connection after N tokens; 0 is before any byte of the answer
  id=NAME         names a series of requests that hold_after waits for, and whose tries are counted, so that
  fail_times=N    only its first N tries fail, and
  drop_times=N    only the N tries after those are dropped
"""

from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl

import msgspec

from bench.tokens import TokenKind

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class Trouble(NamedTuple):
    kind: Literal["status", "hang", "stall", "garbage", "drop"]
    after: int
    """Tokens that come before it."""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: Count = 100
    rate: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 50
    ttft: Seconds = 0.02
    jitter: Seconds = 0
    text: TokenKind = "numbered"
    unicode: bool = False
    reasoning: Count = 0
    tools: Annotated[int, msgspec.Meta(ge=0, le=128)] = 0
    steps: Annotated[int, msgspec.Meta(ge=0, le=128)] = 0
    continues: bool = False
    hold_after: Count | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    retry_after: Seconds | None = None
    hang: bool = False
    stall_after: Count | None = None
    garbage: Literal["json", "html", "error"] | None = None
    garbage_after: Count = 0
    drop_after: Count | None = None
    id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    fail_times: Count | None = None
    drop_times: Count | None = None

    def __post_init__(self) -> None:
        if self.id is None and (self.fail_times is not None or self.drop_times is not None):
            raise ValueError("fail_times and drop_times need an id, whose tries are counted")
        if self.id is None and self.hold_after is not None:
            raise ValueError("hold_after needs an id, which is released")

    @classmethod
    def make(cls, options: dict[str, Any]) -> Self:
        """Raises ValueError for an option that is none or has a wrong value."""
        return msgspec.convert(options, cls, strict=False)

    def for_model(self, model: str) -> Self:
        """The script that a model's name asks for, with this one as the default. Raises ValueError."""
        _, _, query = model.partition("?")
        if not query:
            return self
        asked = {name: value or "true" for name, value in parse_qsl(query, keep_blank_values=True)}
        return self.make(msgspec.structs.asdict(self) | asked)

    def trouble(self, attempt: int) -> Trouble | None:
        """What goes wrong in this try, 1, 2, ... of the script's id."""
        if self.fail_times is None or attempt <= self.fail_times:
            if self.status is not None:
                return Trouble("status", 0)
            if self.hang:
                return Trouble("hang", 0)
            if self.stall_after is not None:
                return Trouble("stall", self.stall_after)
            if self.garbage is not None:
                return Trouble("garbage", self.garbage_after)
        if self.drop_after is not None:
            earlier = self.fail_times or 0
            if self.drop_times is None or attempt <= earlier + self.drop_times:
                return Trouble("drop", self.drop_after)
        return None

    def due(self, index: int) -> float:
        """Seconds from the request to its token `index`, jitter left out."""
        return self.ttft + (index / self.rate if self.rate else 0)
