"""Totals of each model, of the lines that tell what turns took."""

from collections import defaultdict
from statistics import median
from time import time
from typing import Any

from core.telemetry.log_stream.record import METRICS, timestamp
from logs.live.filters import Filter, Matcher
from logs.live.history import History

MOST_TURNS = 20_000
PAGE_TURNS = 5000


async def totals_of(history: History, minutes: int) -> dict[str, Any]:
    """Raises RedisError."""
    since = timestamp(time() - 60 * minutes)
    matcher = Matcher(Filter(channels=frozenset({METRICS}), since=since))
    turns: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    place, told, is_whole = None, 0, False
    while told < MOST_TURNS and not is_whole:
        page = await history.before(matcher, place, PAGE_TURNS)
        for line in page.lines:
            turns[str(line.record.fields.get("model", ""))].append(line.record.fields)
        told += len(page.lines)
        place, is_whole = page.next, page.next is None
    models = [_total(model, fields) for model, fields in sorted(turns.items())]
    return {"since": since, "models": models, "is_whole": is_whole}


def _total(model: str, turns: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": model,
        "turns": len(turns),
        "input_tokens": sum(_numbers(turns, "input_tokens")),
        "output_tokens": sum(_numbers(turns, "output_tokens")),
        "first_token_seconds": _median(turns, "first_token_seconds"),
        "tokens_per_second": _median(turns, "tokens_per_second"),
    }


def _numbers(turns: list[dict[str, Any]], name: str) -> list[float]:
    return [turn[name] for turn in turns if isinstance(turn.get(name), int | float)]


def _median(turns: list[dict[str, Any]], name: str) -> float | None:
    numbers = _numbers(turns, name)
    return round(median(numbers), 3) if numbers else None
