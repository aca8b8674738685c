"""The narrator of a caller's conversations: who is to answer what is posted, and what came of it."""

import hashlib
import secrets
from contextlib import suppress
from typing import NamedTuple

import structlog

from api.chat import check_length
from api.inputs.narrator import NarratorPost
from api.narrator.agent_relay import AgentCaller, AgentRelay
from api.narrator.desk import NarratorDesk
from api.narrator.holder_relay import HolderRelay
from api.narrator.relay import Narration, NoController, Relay, RelayedMessage, RelayFailed
from core.model.errors import NotFound
from core.model.keys import is_session_id
from core.store.narrator.records import NarratorEvent, NewMessage
from core.store.store import Store

log = structlog.get_logger()

RETRY_SECONDS = 5.0
"""In which a controller may come back that was restarted."""


class Narrated(NamedTuple):
    event: NarratorEvent
    """What was posted."""
    answer: NarratorEvent


class Narrator:
    def __init__(
        self, desk: NarratorDesk, store: Store, caller: AgentCaller, key_name: str | None, max_message_chars: int
    ) -> None:
        """`store`: within the caller's reach."""
        self._desk = desk
        self._store = store
        self._caller = caller
        self._key_name = key_name
        self._max_message_chars = max_message_chars

    async def post(self, asked: NarratorPost) -> Narrated:
        """Store the message, and have it answered. Raises NoController, RelayTimeout, RelayFailed, NotFound, TooLarge,
        Closing."""
        check_length("message", len(asked.message), self._max_message_chars)
        self._desk.check_open()
        event = await self._known(asked) or await self._stored(asked)
        answer = await self._desk.answer(event, lambda: self._relay(event))
        if answer.type == "ERROR":
            raise RelayFailed(answer.message)
        return Narrated(event, answer)

    async def feed(
        self, conversation_id: str | None, workspace_id: str | None, after: int, limit: int
    ) -> tuple[str, list[NarratorEvent]]:
        """The conversation, and its events behind `after`."""
        session_id = conversation_id or self._conversation_of("workspace", workspace_id or "")
        return session_id, await self._store.narrator.page(session_id, after, limit)

    async def _known(self, asked: NarratorPost) -> NarratorEvent | None:
        """What had come before, whatever has become of its controller."""
        if asked.message_id is None:
            return None
        return await self._store.narrator.find(self._conversation(asked), asked.message_id)

    async def _stored(self, asked: NarratorPost) -> NarratorEvent:
        new = NewMessage(
            session_id=self._conversation(asked),
            message=asked.message,
            controller=asked.controller,
            epoch=await self._epoch(asked.controller),
            message_id=asked.message_id,
            workspace_id=asked.workspace_id,
        )
        event, _ = await self._store.narrator.post(new)
        self._desk.news.tell(event.session_id)
        return event

    async def _epoch(self, controller: str) -> int | None:
        """Of the lease by which it answers; None: it is an agent. Raises NoController."""
        if self._desk.relay is not None:
            return None
        lease = await self._store.controllers.live(controller)
        if lease is not None:
            return lease.epoch
        try:
            await self._caller.agent(controller)
        except NotFound:
            log.warning("no controller", action="narrator.no_controller", controller=controller)
            raise NoController(
                f"there is no controller {controller!r}: nobody holds a lease of this name (PUT /controllers/"
                f"{controller}, or the frame register on /ws/chat), and no agent has this id",
                retry_after=RETRY_SECONDS,
            ) from None
        return None

    async def _relay(self, event: NarratorEvent) -> Narration:
        message = RelayedMessage(
            event_id=event.event_id,
            conversation_id=event.session_id,
            workspace_id=event.workspace_id,
            message=event.message,
            controller=event.controller,
            epoch=event.epoch,
            key_name=self._key_name,
        )
        return await (self._desk.relay or await self._relay_to(event)).relay(message)

    async def _relay_to(self, event: NarratorEvent) -> Relay:
        if event.epoch is None:
            return AgentRelay(self._caller, event.controller)
        with suppress(NotFound):
            lease = await self._store.controllers.get(event.controller)
            if lease.epoch == event.epoch and lease.agent_id is not None:
                return AgentRelay(self._caller, lease.agent_id)
        return HolderRelay(self._store, self._desk.news)

    def _conversation(self, asked: NarratorPost) -> str:
        """The same one for a message that comes again."""
        if asked.conversation_id is not None:
            return asked.conversation_id
        if asked.workspace_id is not None:
            return self._conversation_of("workspace", asked.workspace_id)
        if asked.message_id is not None:
            return self._conversation_of("message", asked.message_id)
        return secrets.token_urlsafe(16)

    def _conversation_of(self, kind: str, name: str) -> str:
        """Of this key's alone: others may have workspaces of the same name."""
        readable = f"narrator-{name}"
        if kind == "workspace" and self._key_name is None and is_session_id(readable):
            return readable
        told = "\0".join((kind, self._key_name or "", name))
        return f"narrator-{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"
