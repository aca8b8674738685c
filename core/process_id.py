"""What this process is called: in the store, in the logs, and to operators."""

import os
import secrets
import socket
from functools import cache


def process_id(kind: str) -> str:
    """`kind`: api, worker, python (`core.turns.call`), or another service, as its log lines name it. Unique even where
    a container starts again under the same name and pid."""
    return _process_id(kind, os.getpid())


@cache
def _process_id(kind: str, pid: int) -> str:
    return f"{kind}-{socket.gethostname()}-{pid}-{secrets.token_hex(3)}"[:128]
