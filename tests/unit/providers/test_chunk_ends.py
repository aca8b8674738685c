"""How an answer in OpenAI's chunks ends, what it cost, and which model it came from."""

import json
from typing import Any

import msgspec
import pytest

from core.model.events import Usage
from core.model.parts import Text
from core.providers.base import Told
from core.providers.http.failures import ReportedError
from core.providers.openai.chunks import ChunkReader
from tests.unit.providers.http_providing import Ending
from tests.unit.providers.openai_chunks import STOP, delta, read, read_all, usage


def test_the_end() -> None:
    reader = ChunkReader()
    assert (reader.end(), reader.is_finished) == (None, False)
    read(STOP, b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":null}}', by=reader)
    assert (reader.is_done, reader.is_finished) == (False, True)
    assert reader.end() == ([], Ending("stop", Told(Usage(3, 0))))


def test_nothing_is_read_after_the_end() -> None:
    late = delta(content="too late")
    assert read(STOP, b"[DONE]", late, by=(reader := ChunkReader())) == []
    assert read(late, by=reader) == []
    assert reader.is_done


def test_done_finishes_an_answer_that_has_no_other_finish() -> None:
    read(delta(content="a"), b" [DONE]", by=(reader := ChunkReader()))
    assert reader.end() == ([], Ending("stop"))
    read(b"[DONE]", by=(reader := ChunkReader()))
    assert reader.end() is None


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("function_call", "tool_calls"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("LENGTH", "length"),
        ("STOP", "stop"),
        ("SAFETY", "content_filter"),
        ("made_up", "made_up"),
        ("\0" * 99, "\ufffd" * 32),
        (True, "stop"),
        ({"type": "stop"}, "stop"),
    ],
)
def test_reasons_to_finish(told: Any, reason: str) -> None:
    read(msgspec.json.encode({"choices": [{"delta": {}, "finish_reason": told}]}), by=(reader := ChunkReader()))
    assert reader.end() == ([], Ending(reason))


@pytest.mark.parametrize("told", [None, "", 0, False, []])
def test_no_reason_to_finish(told: Any) -> None:
    read(msgspec.json.encode({"choices": [{"delta": {}, "finish_reason": told}]}), by=(reader := ChunkReader()))
    assert reader.end() is None


@pytest.mark.parametrize("told", ["error", "ERROR", "network_error", "abort", "insufficient_system_resource"])
def test_a_finish_that_is_a_failure(told: str) -> None:
    chunk = msgspec.json.encode({"choices": [{"delta": {"content": "a"}, "finish_reason": told}]})
    parts = read(chunk, by=(reader := ChunkReader()))
    assert (parts, reader.is_finished) == ([Text("a")], False)
    with pytest.raises(ReportedError, match=told.lower()) as raised:
        reader.end()
    assert raised.value.error.is_passing


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(3, 2)),
        ({"prompt_tokens": 3.0, "completion_tokens": 2.7}, Usage(3, 2)),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"input_tokens": 3, "output_tokens": 2}, Usage(3, 2)),
        ({"prompt_tokens": 3_000_000_000, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": 2}, None),
        ({"prompt_tokens": float("nan"), "completion_tokens": 2}, None),
        ({"prompt_tokens": "3", "completion_tokens": 2}, None),
        ({"prompt_tokens": {}, "completion_tokens": 2}, None),
        ({}, None),
    ],
)
def test_what_an_answer_cost(counts: dict[str, Any], told: Usage | None) -> None:
    assert read_all(delta(content="a"), usage(**counts)) == ([Text("a")], Ending("stop", Told(told)))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["m", "m-2026"], "m-2026"),
        (["m", None, "", 5], "m"),
        (["/srv/x.gguf"], "x.gguf"),
        (["a/b"], "a/b"),
        (["a\0b\ud83d"], "a\ufffdb\ufffd"),
        ([None], None),
    ],
)
def test_which_model_answers(names: list[Any], told: str | None) -> None:
    reader = ChunkReader()
    read(*(json.dumps({"model": name, "choices": []}).encode() for name in names), by=reader)
    assert reader.told == Told(model=told)


def test_the_last_sensible_usage_counts() -> None:
    first, last = usage(prompt_tokens=1, completion_tokens=1), usage(prompt_tokens=1, completion_tokens=9)
    assert read_all(first, last, usage(prompt_tokens=-1)) == ([], Ending("stop", Told(Usage(1, 9))))
