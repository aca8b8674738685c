"""What asks the sidecar from a container beside it, in the same image, and prints what it is told, as JSON:

python -m tests.docker.neighbour get URL | put URL BODY | converse URL FRAME ...
"""

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import connect

from tests.patience import PATIENCE_SECONDS


def get(url: str) -> Any:
    return _answer(Request(url))


def put(url: str, body: str) -> Any:
    return _answer(Request(url, body.encode(), {"Content-Type": "application/json"}, method="PUT"))


def converse(url: str, *frames: str) -> list[dict[str, Any]]:
    """All that is told up to the end of a turn."""
    told: list[dict[str, Any]] = []
    with connect(url, open_timeout=PATIENCE_SECONDS) as socket:
        for frame in frames:
            socket.send(frame)
        while not told or told[-1]["type"] not in ("done", "error"):
            told.append(json.loads(socket.recv(PATIENCE_SECONDS)))
    return told


def _answer(request: Request) -> Any:
    with urlopen(request, timeout=PATIENCE_SECONDS) as response:
        return json.load(response)


COMMANDS: dict[str, Callable[..., Any]] = {"get": get, "put": put, "converse": converse}

if __name__ == "__main__":
    command, *words = sys.argv[1:]
    json.dump(COMMANDS[command](*words), sys.stdout)
