r"""A `.env` written on Windows: the `\r` at each line's end is no part of a value, whoever read the file."""

from pathlib import Path

import httpx

from tests.client import get
from tests.patience import PATIENCE_SECONDS
from tests.stack import BROKER, Stack


def test_a_shell_has_read_it(stack: Stack) -> None:
    r"""`source .env` leaves the `\r` in the variables."""
    api = stack.start_api(
        OPENAI_API_KEY="test-key\r", OPENAI_BASE_URL=f"{stack.mock_url}/v1\r", OPENAI_MODEL="mock?tokens=3\r"
    )
    answer = httpx.post(f"{api.url}/chat", json={"message": "hello", "mode": "direct"}, timeout=PATIENCE_SECONDS)
    assert answer.text == "t000000 t000001 t000002 "


def test_the_api_reads_it(stack: Stack) -> None:
    """An empty variable counts as unset, so that all of these come from the file in the API's working directory."""
    lines = [
        f"RABBIT_MQ={BROKER}",
        f"DATABASE_URL=sqlite:///{stack.home}/from-file.db",
        "OPENAI_API_KEY=key-from-file",
        f'OPENAI_BASE_URL="{stack.mock_url}/v1"',
        "OPENAI_MODEL=mock?tokens=3",
        "MAX_MESSAGE_CHARS=10",
    ]
    (stack.home / ".env").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    api = stack.start_api(RABBIT_MQ="", DATABASE_URL="", OPENAI_API_KEY="", OPENAI_BASE_URL="", OPENAI_MODEL="")

    assert get(f"{api.url}/health").json()["model"] == "mock?tokens=3"
    answer = httpx.post(f"{api.url}/chat", json={"message": "hello", "mode": "direct"}, timeout=PATIENCE_SECONDS)
    assert answer.text == "t000000 t000001 t000002 "
    assert httpx.post(f"{api.url}/chat", json={"message": "x" * 11}, timeout=PATIENCE_SECONDS).status_code == 413
    assert Path(stack.home / "from-file.db").exists()
