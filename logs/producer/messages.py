"""What a model's service might say: a simulation, so that the dashboard has something to show."""

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from core.telemetry.log_stream.record import METRICS, Level, channel_of

MODELS = ("gpt-4o", "claude-haiku-5-5", "llama-4-8b")
AGENTS = ("planner", "researcher", "writer")
WINDOW_TOKENS = 8192

_TRACE = """generation failed
Traceback (most recent call last):
  File "/app/engine.py", line 212, in step
    logits = self.model(tokens, cache=cache)
  File "/app/model.py", line 88, in __call__
    raise RuntimeError("CUDA out of memory")
RuntimeError: CUDA out of memory"""


class Message(NamedTuple):
    channel: str
    level: Level
    text: str
    fields: dict[str, Any]


def _tokens(chance: random.Random) -> Message:
    speed, tokens, first = chance.randint(20, 120), chance.randint(50, 900), round(chance.uniform(0.1, 1.5), 3)
    figures = {
        "model": chance.choice(MODELS),
        "input_tokens": chance.randint(100, 4000),
        "output_tokens": tokens,
        "first_token_seconds": first,
        "tokens_per_second": speed,
        "seconds": round(first + tokens / speed, 3),
    }
    return Message(METRICS, "info", f"Token generation: {speed} tokens/sec", figures)


def _window(chance: random.Random) -> Message:
    used = chance.randint(200, WINDOW_TOKENS)
    level: Level = "warning" if used > 0.95 * WINDOW_TOKENS else "info"
    fields = {"context_tokens": used, "context_window": WINDOW_TOKENS}
    return Message(channel_of(level), level, f"Context window: {used} tokens used", fields)


def _latency(chance: random.Random) -> Message:
    model, ms = chance.choice(MODELS), chance.randint(80, 900)
    return Message(channel_of("info"), "info", f"Model: {model} | Latency: {ms}ms", {"model": model, "latency_ms": ms})


def _agent(chance: random.Random) -> Message:
    agent, step = chance.choice(AGENTS), chance.randint(1, 10)
    text = f"Agent {agent}: step {step}, {chance.choice(('asks the model', 'calls a tool', 'reads a result'))}"
    return Message(channel_of("info"), "info", text, {"agent": agent, "step": step})


def _debug(chance: random.Random) -> Message:
    return Message(channel_of("debug"), "debug", f"cache: {chance.randint(0, 100)} % of the slots are in use", {})


def _failure(chance: random.Random) -> Message:
    return Message(channel_of("error"), "error", _TRACE, {"model": chance.choice(MODELS)})


_KINDS: Sequence[tuple[Callable[[random.Random], Message], int]] = (
    (_tokens, 40),
    (_window, 20),
    (_latency, 20),
    (_agent, 15),
    (_debug, 4),
    (_failure, 1),
)
"""Each with how often it is said, of 100."""


def simulated(chance: random.Random) -> Message:
    kind = chance.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])[0]
    return kind(chance)


def from_file(lines: Sequence[str], chance: random.Random) -> Message:
    """One of somebody's own."""
    return Message(channel_of("info"), "info", chance.choice(lines), {})
