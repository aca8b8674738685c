"""The OpenAPI document is true: schemathesis asks what it allows and what it forbids, and checks every answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ALICE, KEYS
from tests.patience import PATIENCE_SECONDS
from tests.stack import Stack

EXAMPLES = "40"
SECONDS = 10 * PATIENCE_SECONDS
"""It asks some thousand times."""
SEED = "1"
ENDLESS = "^/events$"
"""Its answer has no end; what is wrong with a question there is in test_watcher_access."""
UNTOLD = "positive_data_acceptance"
"""Not all rules fit into the document: a message of blanks is refused, say."""


@pytest.mark.timeout(SECONDS + PATIENCE_SECONDS)
def test_every_answer_is_in_the_openapi_document(stack: Stack, tmp_path: Path) -> None:
    api = stack.start_api(
        API_KEYS=KEYS,
        RATE_LIMIT="100000/minute",
        MAX_QUEUED_TURNS="100000",
        ENV="test",
        NARRATOR_RELAY="fake:All is well.",  # a narrator without a controller answers 503
    )
    stack.start_worker()
    command: list[str | Path] = [
        *(Path(sys.executable).parent / "schemathesis", "run", f"{api.url}/openapi.json", "--no-color"),
        *(
            "--max-examples",
            EXAMPLES,
            "--seed",
            SEED,
            "--request-timeout",
            f"{PATIENCE_SECONDS:g}",
            "--continue-on-failure",
        ),
        *("--exclude-path-regex", ENDLESS, "--exclude-checks", UNTOLD, "--header", f"Authorization: Bearer {ALICE}"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Rate limited" not in done.stdout
    assert "http.bug" not in api.output()
