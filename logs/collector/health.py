"""`python -m logs.collector.health`: whether the collector with the same settings works; exit status 1 if it does not.

It answers on a socket that has a name and no file: nothing is written, no port is taken. Linux only.
"""

import asyncio
import hashlib
import json
import socket
import sys
from collections.abc import Sequence
from typing import Any

from core.settings import Settings, get_settings
from logs.collector.sender import Sender
from logs.collector.source import Source

ANSWER_SECONDS = 4.0
_MOST_BYTES = 65536


class Health:
    """`start`, then `stop`."""

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self._name = _name(settings)
        self._sender = sender
        self.sources: Sequence[Source] = ()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises SystemExit if a collector with the same settings runs already."""
        try:
            self._server = await asyncio.start_unix_server(self._answer, self._name)
        except OSError as error:
            raise SystemExit(f"a collector with the same settings runs already: {error}") from None

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def look(self) -> dict[str, Any]:
        problems = {source.name: source.problem for source in self.sources if source.problem}
        if self._sender.is_away:
            problems["redis"] = "is away"
        if not self.sources:
            problems["collector"] = "has not read its positions from Redis yet"
        return {"status": "failing" if problems else "ok", "problems": problems}

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(self.look()).encode())
        writer.close()
        await writer.wait_closed()


def ask(settings: Settings) -> dict[str, Any]:
    """Raises OSError where no collector answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(_name(settings))
        answer = b""
        while len(answer) < _MOST_BYTES and (data := connection.recv(4096)):
            answer += data
    return dict(json.loads(answer))


def main() -> int:
    try:
        health = ask(get_settings())
    except OSError as error:
        health = {"status": "failing", "problems": {"collector": f"does not answer: {error}"}}
    sys.stdout.write(json.dumps(health) + "\n")
    return 0 if health["status"] == "ok" else 1


def _name(settings: Settings) -> str:
    """Of the abstract namespace, which belongs to the network namespace, that is the container."""
    identity = [settings.redis_url.get_secret_value(), settings.log_collect, settings.log_docker_host]
    identity += [settings.log_docker_containers, settings.log_files]
    return "\0hopstream-collector-" + hashlib.sha256(repr(identity).encode()).hexdigest()[:24]


if __name__ == "__main__":
    raise SystemExit(main())
