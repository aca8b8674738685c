"""The bench with a model behind TLS."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import ROOT
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.timeout(10 * PATIENCE_SECONDS)


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "ladder", "--tls", "--runs", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=8 * PATIENCE_SECONDS, check=False)


def test_answers_of_a_model_behind_tls_are_whole(tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBIT_MQ", broker)
    file = tmp_path / "figures.json"
    ran = _bench("--sessions", "10", "--tokens", "20", "--modes", "direct", "--json", str(file))
    assert ran.returncode == 0, ran.stderr
    (run,) = json.loads(file.read_text())["runs"]
    figures = run["direct"]["10"]
    assert figures["tokens"] == 10 * 2 * 20
    assert [figures[fault] for fault in ("lost", "doubled", "disordered", "unfinished")] == [0, 0, 0, 0]


def test_only_hopstream_is_told_to_trust_it() -> None:
    ran = _bench("--modes", "mock,direct")
    assert ran.returncode == 1
    assert "--tls is for --modes direct,queue" in ran.stderr
