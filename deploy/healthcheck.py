"""The image's HEALTHCHECK: /health of what the container was started as, API, worker or both.

/health is 200 while a process serves, whatever the broker does: a restart would not bring that back.
"""

import os
import sys
import urllib.request
from pathlib import Path

ENTRYPOINT = "/app/deploy/entrypoint.sh"
PORTS = {"api": ["API_PORT"], "worker": ["WORKER_HEALTH_PORT"], "all": ["API_PORT", "WORKER_HEALTH_PORT"]}
"""By the word that the container was started with. Another command has nothing to ask."""
TIMEOUT_SECONDS = 4


def started_as(command: list[str]) -> str:
    """The word behind the entrypoint in the command line of the container's first process."""
    if ENTRYPOINT not in command:
        return ""
    word, *_ = [*command[command.index(ENTRYPOINT) + 1 :], "all"]
    return word


def check(word: str) -> None:
    """Raises OSError where one does not serve."""
    for port in filter(None, (int(os.environ.get(name, "0")) for name in PORTS.get(word, []))):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_SECONDS).close()


if __name__ == "__main__":
    try:
        check(started_as(Path("/proc/1/cmdline").read_text().rstrip("\0").split("\0")))
    except OSError as error:
        sys.exit(str(error))
