"""How many tokens a model took and gave, out of what other programs log, for the channel of figures."""

import re
from typing import Any

from core.telemetry.log_stream.figures import figures_in_words
from core.telemetry.log_stream.record import Record

_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "usage.prompt_tokens", "usage.input_tokens")
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "usage.completion_tokens",
    "usage.output_tokens",
)
_MODEL = ("gen_ai.response.model", "gen_ai.request.model", "response.model", "model")
"""OpenTelemetry's names, and those of OpenAI's answers (chat completions, responses); the first one there counts."""
_FOUND_IN = ("response", "attributes", "data", "extra", "")
"""Objects of a line in which these are looked for as well."""
_MOST = 10**9

_SPEED = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?(?:tokens?|tok)(?:/s(?:ec(?:ond)?)?\b| per second\b)", re.IGNORECASE)
_NAMED_MODEL = re.compile(r"\bmodel[:=] ?([\w.:/@-]{1,100})", re.IGNORECASE)
_LATENCY = re.compile(r"\blatency[:=] ?(\d{1,9}(?:\.\d{1,6})?) ?(ms|s)\b", re.IGNORECASE)


def figures_in(record: Record) -> Record | None:
    """What belongs on the channel of figures, with fields as core.telemetry.log_stream.turn_metrics has them; with
    `guessed` where a text was read, and no field."""
    figures = _figures_of_fields(record.fields) if record.fields else None
    if figures is None:
        if "oken" not in record.message and "odel" not in record.message:
            return None
        figures = _figures_of_text(record.message[:500])
    if figures is None:
        return None
    for name in ("session_id", "request_id"):
        if name in record.fields:
            figures[name] = record.fields[name]
    return Record(record.time, record.service, figures_in_words(figures), "info", figures, arrived=record.arrived)


def _figures_of_fields(fields: dict[str, Any]) -> dict[str, Any] | None:
    for place in _FOUND_IN:
        within = fields.get(place) if place else fields
        if not isinstance(within, dict):
            continue
        counts = {"input_tokens": _count(within, _INPUT), "output_tokens": _count(within, _OUTPUT)}
        if any(count is not None for count in counts.values()):
            model = next((name for key in _MODEL if isinstance(name := _value(within, key), str)), None)
            figures = {"model": model} | counts
            return {name: value for name, value in figures.items() if value is not None}
    return None


def _count(fields: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = _value(fields, name)
        if isinstance(value, str) and value.isdecimal() and len(value) < 12:  # logfmt
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return int(value)
    return None


def _value(fields: dict[str, Any], name: str) -> Any:
    """Of `a.b.c`: as one key, or object in object."""
    if name in fields:
        return fields[name]
    head, _, rest = name.partition(".")
    within = fields.get(head)
    return _value(within, rest) if rest and isinstance(within, dict) else None


def _figures_of_text(text: str) -> dict[str, Any] | None:
    """Best effort: "Token generation: 1024 tokens/sec", "Model: gpt-4 | Latency: 234ms"."""
    speed, model, latency = _SPEED.search(text), _NAMED_MODEL.search(text), _LATENCY.search(text)
    if not speed and not (model and latency):
        return None
    figures: dict[str, Any] = {"guessed": True}
    if model:
        figures["model"] = model[1]
    if speed:
        figures["tokens_per_second"] = float(speed[1])
    if latency:
        figures["seconds"] = float(latency[1]) / (1000 if latency[2].lower() == "ms" else 1)
    return figures
