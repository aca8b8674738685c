"""A registration: the controller's lease that a client's connection holds. It is renewed for as long as the connection
is open, over which the client is told what is posted to it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from starlette.websockets import WebSocketDisconnect

from api.inputs.agent_frames import BadFrame, NarrationFrame, RegisterFrame
from api.narrator.desk import NARRATION_CHARS
from api.narrator.narrations import Say
from api.narrator.news import NarratorNews
from api.narrator.relay import RELAY_SECONDS
from api.turn_views import time_of
from core.background import Background
from core.model.errors import HopstreamError, StoreDown, TooLarge
from core.store.narrator.controllers import LeaseLost
from core.store.narrator.records import ControllerLease
from core.store.retry import RETRY_SECONDS
from core.store.store import Store

log = structlog.get_logger()

Refuse = Callable[[HopstreamError], Awaitable[None]]
"""Tells a client what it is refused."""


class Registration:
    """Of one connection."""

    def __init__(self, store: Store, news: NarratorNews, process_id: str, say: Say, refuse: Refuse) -> None:
        """`store`: within the client's reach."""
        self._store = store
        self._news = news
        self._holder = f"{process_id}/{secrets.token_hex(4)}"
        self._say = say
        self._refuse = refuse
        self._loop = asyncio.get_running_loop()
        self._lease: ControllerLease | None = None
        self._renew_at = 0.0
        """By the loop's time."""
        self._told: set[int] = set()
        """Of what has no answer yet."""
        self._background = Background()
        self._holding: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        """Whether the client is a controller."""
        return self._lease is not None

    async def register(self, frame: RegisterFrame) -> None:
        """Take the lease, or renew it. Raises ControllerHeld, LeaseLost, BadFrame."""
        held = self._lease
        if held is not None and held.name != frame.controller:
            raise BadFrame(f"the connection holds the controller {held.name!r}; open another one", field="controller")
        lease_id = frame.lease_id or (held.lease_id if held is not None else None)
        try:
            lease, _ = await self._store.controllers.take(
                frame.controller, lease_id=lease_id, holder=self._holder, takeover=frame.takeover
            )
        except LeaseLost:
            if held is not None and lease_id == held.lease_id:
                self._drop(held)
            raise
        self._lease = lease
        self._renew_at = self._loop.time() + lease.renew_after
        log.info("controller registered", action="narrator.registered", controller=lease.name, epoch=lease.epoch)
        await self._say(
            "registered",
            controller=lease.name,
            leaseId=lease.lease_id,
            epoch=lease.epoch,
            expiresAt=time_of(lease.expires_at),
            renewAfter=lease.renew_after,
        )
        if self._holding is None or self._holding.done():
            self._holding = self._background.run("controller", self._hold())

    async def answer(self, frame: NarrationFrame) -> None:
        """Raises LeaseLost, NotFound, TooLarge, BadFrame."""
        if self._lease is None:
            raise BadFrame("the connection holds no controller's lease; send the frame register first")
        if len(frame.message) > NARRATION_CHARS:
            raise TooLarge(f"a narration has at most {NARRATION_CHARS} characters", field="message")
        answer = await self._store.narrator.answer_for(self._lease, frame.event_id, frame.message)
        self._news.tell(answer.session_id)

    async def close(self) -> None:
        """The connection has ended: its client has a while to come back."""
        await self._background.stop()
        if self._lease is not None:
            with suppress(StoreDown):  # then it expires
                await self._store.controllers.let_go(self._lease)

    async def _hold(self) -> None:
        """For as long as the lease is the connection's."""
        changed = asyncio.Event()
        with suppress(WebSocketDisconnect), self._news.follow(None, changed.set):
            while (lease := self._lease) is not None:
                changed.clear()
                try:
                    await self._tell(await self._renewed(lease))
                except LeaseLost as error:
                    await self._lose(lease, error)
                except StoreDown:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(self._renew_at):
                            await changed.wait()

    async def _renewed(self, lease: ControllerLease) -> ControllerLease:
        """If it is time."""
        if self._loop.time() < self._renew_at:
            return lease
        renewed = await self._store.controllers.keep(lease)
        self._renew_at = self._loop.time() + renewed.renew_after
        if self._lease is lease:
            self._lease = renewed
        return renewed

    async def _tell(self, lease: ControllerLease) -> None:
        """What was posted, and has no answer yet; each once. An agent's lease is only kept."""
        if lease.agent_id is not None:
            return
        unanswered = await self._store.narrator.unanswered(lease, RELAY_SECONDS)
        for event in unanswered:
            if event.event_id not in self._told:
                workspace = {} if event.workspace_id is None else {"workspaceId": event.workspace_id}
                await self._say(
                    "narrator",
                    eventId=event.event_id,
                    message=event.message,
                    epoch=event.epoch,
                    conversationId=event.session_id,
                    **workspace,
                )
        self._told = {event.event_id for event in unanswered}

    async def _lose(self, lease: ControllerLease, error: LeaseLost) -> None:
        if self._drop(lease):
            await self._refuse(error)

    def _drop(self, lease: ControllerLease) -> bool:
        """False where the client has taken another one meanwhile."""
        if self._lease is not lease:
            return False
        log.warning("controller lost", action="narrator.lease_lost", controller=lease.name, epoch=lease.epoch)
        self._lease = None
        return True
