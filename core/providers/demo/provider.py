"""The demo provider answers where no other is set up: deterministic, paced like a model, scripted by model name.

`demo` answers, `demo:slow` takes its time, `demo:long` writes pages, `demo:error` fails before its first token,
`demo:drop` breaks off in the middle of a turn's first attempt. Any of them calls the tools that it is offered, where
the question asks for it (`tools`, beside this module).
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Self

from core.model.errors import ProviderDropped, ProviderError
from core.model.events import Usage
from core.model.parts import Part, Text
from core.providers.base import Access, Finish, GeneratedStream, Item, Request, Stream, Told
from core.providers.demo.tools import answer_with_results, calls_for, question_of
from core.settings import Settings

MODELS = ("demo", "demo:slow", "demo:long", "demo:error", "demo:drop")
TOKENS_PER_SECOND = 50.0
SLOW_TOKENS_PER_SECOND = 5.0
FIRST_TOKEN_SECONDS = 0.2
LONG_SECTIONS = 60
QUOTED_CHARS = 200
_TOKEN = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


class DemoProvider:
    name = "demo"

    def __init__(self, pace: float = 1.0) -> None:
        """`pace` multiplies all waiting; tests use less than 1."""
        self._pace = pace

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        """It answers where nobody else can."""
        return None if settings.models_file else Access()

    @classmethod
    def default_models(cls, _: Settings) -> tuple[str, ...]:
        return MODELS

    @classmethod
    def create(cls, _: Access, __: Settings) -> Self:
        return cls()

    def stream(self, request: Request) -> Stream:
        return GeneratedStream(self._items(request))

    def prepare(self) -> None: ...

    async def close(self) -> None:
        return None

    async def _items(self, request: Request) -> AsyncGenerator[Item]:
        if request.model not in MODELS:
            raise ProviderError(f"the demo provider has no model {request.model!r}; it has {', '.join(MODELS)}")
        await asyncio.sleep(FIRST_TOKEN_SECONDS * self._pace)
        if request.model == "demo:error":
            raise ProviderError("the demo provider was asked to fail")
        calls = calls_for(request)
        if calls:
            yield [Text("Let me see. "), *calls]
            yield Finish("tool_calls", Told(Usage(sum(len(m.text().split()) for m in request.messages), len(calls))))
            return
        answer = _TOKEN.findall(answer_with_results(request) or _answer(request))
        tokens = answer[: request.options.get("max_tokens")]
        half = len(answer) // 2
        drops = request.model == "demo:drop" and request.attempt == 1 and len(tokens) > half
        rate = SLOW_TOKENS_PER_SECOND if request.model == "demo:slow" else TOKENS_PER_SECOND
        async for due in self._paced(tokens[:half] if drops else tokens, rate):
            yield due
        if drops:
            raise ProviderDropped("the demo provider was asked to break off")
        usage = Usage(sum(len(m.text().split()) for m in request.messages), len(tokens))
        yield Finish("length" if len(tokens) < len(answer) else "stop", Told(usage))

    async def _paced(self, tokens: list[str], rate: float) -> AsyncGenerator[list[Part]]:
        """At `rate` a second. Those that fell due while nobody asked come together."""
        loop = asyncio.get_running_loop()
        seconds = self._pace / rate
        start, told = loop.time(), 0
        while told < len(tokens):
            await asyncio.sleep(max(0.0, start + told * seconds - loop.time()))
            due = told + 1
            while due < len(tokens) and start + due * seconds <= loop.time():
                due += 1
            yield [Text(token) for token in tokens[told:due]]
            told = due


def _answer(request: Request) -> str:
    question = question_of(request)
    quoted = " ".join(question.split())[:QUOTED_CHARS]
    turns = sum(message.role == "user" for message in request.messages)
    if request.model == "demo:long":
        sections = (f"## Section {n}\n\n{_PARAGRAPH}\n\n" for n in range(1, LONG_SECTIONS + 1))
        return f"You wrote: “{quoted}”. Here is a long answer.\n\n{''.join(sections)}"
    return _SHORT.format(quoted=quoted, turns=turns)


_PARAGRAPH = (
    "Every token of this text was written to a tape in a worker, gathered into a batch while the batch before it was "
    "on its way, published once to RabbitMQ, confirmed, and turned into Server-Sent Events for everyone who watches. "
    "Reload the page, open a second tab or restart the API: the text goes on at the very next character."
)
_SHORT = """You wrote: “{quoted}”

This is the **demo provider** (message {turns} of this conversation): it answers because no other is set up, as by \
`OPENAI_API_KEY`. Its words travel the same way that a real model's would:

1. the API stores your message and puts a *job* on a queue,
2. a worker claims it and streams the answer into RabbitMQ,
3. the API turns that into Server-Sent Events.

Try to reload this page while an answer is being written, or to ask from a terminal:

```bash
curl -N localhost:8007/chat -H 'Accept: text/plain' \\
  -H 'Content-Type: application/json' -d '{{"message": "Hello"}}'
```

Set a key in `.env` and restart to talk to a real model."""
