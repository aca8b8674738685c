"""The bench itself, in small: every part runs on real processes, and counts what it should."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.broker import measure
from bench.processes import ROOT
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(10 * PATIENCE_SECONDS)]

BENCH_SECONDS = 8 * PATIENCE_SECONDS
"""It starts nine processes, one after the other."""


@pytest.fixture(autouse=True)
def _environment(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBIT_MQ", broker)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BENCH_SECONDS, check=False)


def test_contenders_are_measured_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    load = ("--runs", "1", "--sessions", "12", "--tokens", "50", "--modes", "mock,direct,queue,naive")
    ran = bench("ladder", *load, "--json", str(file))

    assert ran.returncode == 0, ran.stderr
    (run,) = json.loads(file.read_text())["runs"]
    for mode in ("mock", "direct", "queue", "naive"):
        figures = run[mode]["12"]
        assert figures["tokens"] == 12 * 2 * 50
        assert [figures[fault] for fault in ("lost", "doubled", "disordered", "unfinished")] == [0, 0, 0, 0]
    assert run["queue"]["12"]["cpu_us"]["worker"] > 0
    assert run["queue"]["12"]["memory_mb"]["api"] > 20
    assert "| 12 | queue |" in ran.stdout


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBIT_MQ", "amqp://guest:guest@127.0.0.1:1/")
    ran = bench("viewers")

    assert ran.returncode == 1
    assert "RabbitMQ does not answer, see RABBIT_MQ" in ran.stderr


async def test_the_broker_alone() -> None:
    capacity = await measure(turns=20, seconds=1)
    assert capacity.turns_per_second > 1
    assert capacity.messages_per_second > 1
    assert capacity.message_cpu_us > 0
