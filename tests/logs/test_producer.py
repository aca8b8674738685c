"""The simulator: says what it is told to say, at the rate it is told, numbered, and again after Redis was away."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.telemetry.log_stream.redis_stream import STREAM
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.stack import ROOT


def produce(redis: RedisServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "logs.producer", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "REDIS_URL": redis.url},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def said(redis: RedisServer) -> list[tuple[str, dict[str, Any]]]:
    with redis.client() as client:
        entries = client.xrange(STREAM)
    return [(str(fields[b"channel"], "ascii"), json.loads(fields[b"record"])) for _, fields in entries]


def test_it_says_what_a_model_s_service_might(redis: RedisServer) -> None:
    assert produce(redis, "--rate", "100000", "--lines", "500").returncode == 0
    lines = said(redis)
    assert [record["fields"]["number"] for _, record in lines] == list(range(1, 501))
    texts = " ".join(record["message"] for _, record in lines)
    for part in ("tokens/sec", "Context window:", "Latency:", "Agent planner"):
        assert part in texts
    for channel, record in lines:
        if "tokens/sec" in record["message"]:
            assert channel == "logs:metrics"
            assert record["fields"].keys() >= {"model", "output_tokens", "first_token_seconds", "tokens_per_second"}
        if record["level"] == "error":
            assert channel == "logs:errors"


def test_it_says_somebody_s_own_messages(redis: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "messages.txt"
    file.write_text("# what we say\nhello\n\nBonjour à tous\n")
    assert produce(redis, "--rate", "1000", "--lines", "50", "--messages", str(file)).returncode == 0
    assert {record["message"] for _, record in said(redis)} == {"hello", "Bonjour à tous"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--rate", "0"], "must be more than 0"),
        (["--messages", "/nonexistent/file"], "--messages: [Errno 2]"),
        (["--messages", os.devnull], "--messages: /dev/null has none"),
    ],
)
def test_what_it_cannot_do_it_says(redis: RedisServer, arguments: list[str], why: str) -> None:
    ended = produce(redis, *arguments)
    assert ended.returncode != 0
    assert why in ended.stderr
