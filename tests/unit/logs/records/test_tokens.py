"""Figures out of what others log."""

from typing import Any

import pytest

from logs.records.parsing import parse_line
from logs.records.tokens import figures_in


def figures(text: str) -> dict[str, Any] | None:
    record = figures_in(parse_line(text, "llm", arrived=1795953600.0))
    return record.fields if record else None


@pytest.mark.parametrize(
    "text",
    [
        '{"gen_ai.usage.input_tokens":7,"gen_ai.usage.output_tokens":9,"gen_ai.request.model":"m"}',
        '{"gen_ai":{"usage":{"input_tokens":7,"output_tokens":9},"response":{"model":"m"}}}',
        '{"attributes":{"gen_ai.usage.input_tokens":7,"gen_ai.usage.output_tokens":9,"gen_ai.response.model":"m"}}',
        '{"msg":"x","model":"m","usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16}}',
        '{"msg":"x","response":{"model":"m","usage":{"input_tokens":7,"output_tokens":9}}}',
        "level=info msg=done model=m usage.prompt_tokens=7 usage.completion_tokens=9",
    ],
)
def test_otels_and_openais_names(text: str) -> None:
    assert figures(text) == {"model": "m", "input_tokens": 7, "output_tokens": 9}


def test_the_ids_go_with_them() -> None:
    text = '{"usage":{"prompt_tokens":7},"session.id":"s","trace_id":"t"}'
    assert figures(text) == {"input_tokens": 7, "session_id": "s", "request_id": "t"}


def test_a_text_is_guessed() -> None:
    assert figures("Token generation: 1024 tokens/sec") == {"guessed": True, "tokens_per_second": 1024.0}
    assert figures("Model: gpt-4 | Latency: 234ms") == {"guessed": True, "model": "gpt-4", "seconds": 0.234}


@pytest.mark.parametrize(
    "text",
    [
        "Context window: 8192 tokens used",
        "the model is fine",
        '{"usage":{"prompt_tokens":true,"completion_tokens":-1}}',
        '{"usage":7}',
        '{"usage":{"prompt_tokens":1e300}}',
    ],
)
def test_what_is_no_figure(text: str) -> None:
    assert figures(text) is None
