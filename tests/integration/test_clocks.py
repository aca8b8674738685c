"""The clocks of processes jump while answers run, as by a correction of a machine's time: no answer begins again."""

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from core.store.liveness import SILENT_SECONDS
from tests.client import Client, SseEvent, new_session, numbered, text_of, types_of
from tests.parts import require
from tests.stack import Stack

pytestmark = pytest.mark.anyio

JUMPS = ("+60", "-60", "+3600", "-3600", "+0")
"""Seconds from the true time."""
BETWEEN_SECONDS = 2.0
"""The file is looked at once a second."""
RATE = 40
TOKENS = int(RATE * (len(JUMPS) * BETWEEN_SECONDS + SILENT_SECONDS + 2))


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file that says what time it is."""
    file = tmp_path / "clock"
    file.write_text("+0\n")
    return file


@pytest.fixture
def stack(broker: str, tmp_path: Path, clock: Path) -> Iterator[Stack]:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    require(libraries, "no libfaketime; install the package faketime")
    with Stack(
        tmp_path,
        LD_PRELOAD=os.fspath(libraries[0]),
        FAKETIME_TIMESTAMP_FILE=os.fspath(clock),
        FAKETIME_CACHE_DURATION="1",  # seconds: to read the file with each look at the clock slows all down
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    ) as stack:
        yield stack


async def test_no_healthy_turn_begins_again(stack: Stack, clock: Path) -> None:
    """All processes' clocks jump, the database's among them: with SQLite it is theirs."""
    api = stack.start_api()
    stack.start_workers(2)
    begun = [anyio.Event() for _ in range(3)]
    answers: list[tuple[str, list[SseEvent]]] = []

    async def answer(mode: str, has_begun: anyio.Event) -> None:
        session = new_session()
        fields = {"mode": mode, "session_id": session, "model": f"mock?tokens={TOKENS}&rate={RATE}"}
        async with client.ask_streaming(accept="text/event-stream", **fields) as stream:
            await stream.read_chars(40)
            has_begun.set()
            answers.append((session, await stream.rest()))

    async with Client(api.url) as client, anyio.create_task_group() as people:
        for mode, has_begun in zip(("queue", "queue", "direct"), begun, strict=True):
            people.start_soon(answer, mode, has_begun)
        for has_begun in begun:
            await has_begun.wait()
        for jump in JUMPS:
            await anyio.Path(clock).write_text(f"{jump}\n")
            await anyio.sleep(BETWEEN_SECONDS)
    async with Client(api.url) as client:
        for session, events in answers:
            assert types_of(events)[-1] == "done"
            assert "restart" not in types_of(events)
            assert text_of(events) == numbered(TOKENS)
            assert (await client.turn(session))["attempt"] == 1
