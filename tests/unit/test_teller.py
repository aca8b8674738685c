"""The teller, of turns that are not there any more."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from api.chat import Chat
from api.conversations.teller import Teller
from api.queue import Queue
from api.streams.cursor import Cursor
from api.streams.viewer import Sink
from api.wires.base import Frames
from core.idle_timer import IdleTimer
from core.model.keys import TurnKey
from core.store.store import Store
from tests.agent_frames import check_server_frame
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


class Told:
    """Keeps the frames."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, frames: Frames) -> None:
        for frame in frames:
            self.frames.put_nowait(msgspec.json.decode(frame))


@pytest.mark.parametrize(("cursor", "end"), [(None, "2.1.1"), (Cursor(2, 3, 40), "2.3.41")])
async def test_one_that_was_deleted_ends_behind_what_the_client_has(
    store: Store, cursor: Cursor | None, end: str
) -> None:
    told = Told()
    timer = cast(IdleTimer, None)
    teller = Teller(cast(Chat, None), store, cast(Queue, None), cast(Sink, told), timer, knows_restarts=True)
    telling = asyncio.create_task(teller.run())
    teller.add(TurnKey("gone", 2), cursor)
    frame = await asyncio.wait_for(told.frames.get(), PATIENCE_SECONDS)
    check_server_frame(frame)
    assert (frame["type"], frame["code"], frame["turn"], frame["id"]) == ("error", "not_found", 2, end)
    telling.cancel()
    await asyncio.wait([telling])
