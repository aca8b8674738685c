"""Which functions have a token in hand on its way in queue mode: API and worker in one process, where all can be seen.

`python -m tests.integration.token_path` in the environment of a `Stack` prints them as JSON, `[[module, function], …]`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
import uvloop

from api.app import create_app
from bench.processes import free_port
from core.broker.connection import BrokerConnection
from core.broker.jobs import Job
from core.broker.topology import declare_all
from core.model.keys import TurnKey
from core.settings import Settings
from core.turns.owner import TurnOwner
from tests.client import Client, new_session
from tests.stack import ROOT
from workers.turn_handler import TurnHandler

ROOMS = ("api", "core", "workers")
ASIDE = str(ROOT / "workers" / "session_log_writer.py")
"""Takes what has gathered to the session log, four times a second: not on the way to a viewer of this answer,
which nothing could go on with."""
OF_THE_LOG = ("FastChannel._forget_mandatory", "FastChannel.publish.<locals>.<lambda>")
"""Called once a message to the session log is confirmed: the others are not mandatory."""
TOKENS, BEFORE = 60, 30
"""Of the answer, and before the token that is looked at: so many that nothing tells the whole answer by then."""
DEPTH = 4
"""How deep a value is searched."""


class Watch:
    def __init__(self, text: str) -> None:
        self.seen: dict[tuple[str, str], None] = {}
        """In the order in which they came; a set that keeps it."""
        self._text = text
        self._encoded = text.encode()

    def on_event(self, frame: FrameType, event: str, result: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event not in ("call", "return") or not path.is_relative_to(ROOT):
            return
        module = path.relative_to(ROOT)
        if module.parts[0] not in ROOMS or frame.f_code.co_qualname in OF_THE_LOG or _is_aside(frame):
            return
        variables = [value for name, value in frame.f_locals.items() if name != "self"]
        if self._has([result, *variables]):
            self.seen.setdefault((str(module), frame.f_code.co_qualname))

    def _has(self, value: Any, depth: int = DEPTH) -> bool:
        match value:
            case str():
                return self._text in value
            case bytes() | bytearray():
                return self._encoded in value
            case list() | tuple() if depth:
                return any(self._has(item, depth - 1) for item in value)
            case dict() if depth:
                return any(self._has(item, depth - 1) for item in value.values())
        fields: tuple[str, ...] = getattr(value, "__struct_fields__", ())
        return depth > 0 and any(self._has(getattr(value, field), depth - 1) for field in fields)


def _is_aside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == ASIDE:
            return True
        frame = frame.f_back
    return False


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    sys.setprofile(watch.on_event)
    try:
        yield
    finally:
        sys.setprofile(None)


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[str]:
    """Its URL."""
    port = free_port()
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http="api.http.protocol:BoundedHeadProtocol", log_config=None)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[TurnHandler]:
    """Without Celery: who hands it a job plays the part."""
    connection = BrokerConnection(settings.rabbit_mq, "token path", declare_all, publishes=True)
    owner = TurnOwner("worker", settings, connection)
    await owner.store.open()
    connection.start()
    owner.keeper.start()
    await connection.wait_up()
    yield TurnHandler(owner)
    await owner.stop()


async def main() -> None:
    settings = Settings(_env_file=None)
    model = (settings.openai_base_url or "").removesuffix("/v1")
    session = new_session()
    token = f"t{BEFORE:06d} "
    watch = Watch(token)
    async with running_api(settings) as url, running_worker(settings) as worker, Client(url) as client:
        answer = f"mock?tokens={TOKENS}&hold_after={BEFORE}&id={session}"
        await client.ask_until_accepted(session_id=session, model=answer)
        running = asyncio.create_task(worker.handle(Job(TurnKey(session, 1)), lambda _: None))
        async with client.stream(session) as stream:
            await stream.read_chars(BEFORE * len(token))
            with watching(watch):
                await client.http.post(f"{model}/release/{session}/{BEFORE + 1}")
                await stream.read_chars((BEFORE + 1) * len(token))
            await client.http.post(f"{model}/release/{session}")
            await stream.rest()
        await running
    json.dump([*watch.seen], sys.stdout)


if __name__ == "__main__":
    uvloop.run(main())
