"""A connection to `/ws/chat`: what its client asks for, and what it is told; see docs/agents.md."""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access.refusals import close
from api.caller import Caller
from api.conversations.sink import ConversationSink
from api.conversations.teller import Teller
from api.inputs.agent_frames import (
    BadFrame,
    BadHandshake,
    ClientFrame,
    Handshake,
    NarrationFrame,
    PingFrame,
    RegisterFrame,
    SecondHandshake,
    StopFrame,
    TurnMessage,
    decode_frame,
    has_message,
    read_frame,
    read_handshake,
    read_message,
)
from api.narrator.narrations import Narrations
from api.streams.cursor import Cursor
from api.streams.viewer import PING_SECONDS
from api.wires.agent_socket import encode_frame
from core.idle_timer import IdleTimer
from core.model.errors import Closing, HopstreamError, InvalidEventId, NotFound
from core.model.keys import TurnKey

log = structlog.get_logger()

HANDSHAKE_SECONDS = 10.0
HANDSHAKE_CHARS = 8192
"""Of one that brings no message along."""
IDLE_SECONDS = 3600.0
"""Without a message or an answer. A client that is still there comes back."""
MOST_BAD_FRAMES = 3
"""Whoever sends so many has another protocol in mind."""
BINARY = 1003
"""The close code for data of a type that is not accepted (RFC 6455, 7.4.1)."""
_PING = [encode_frame({"type": "ping"})]


class HandshakeMissing(HopstreamError):
    code = "handshake_timeout"
    status = 408
    title = "The handshake did not come"


class Idle(HopstreamError):
    code = "idle"
    status = 408
    title = "Nothing was asked for long"


class _BinaryFrame(Exception):
    """All of ours are text."""


class Connection:
    def __init__(self, websocket: WebSocket, caller: Caller) -> None:
        """Of a WebSocket that was accepted."""
        self._websocket = websocket
        self._caller = caller
        self._loop = asyncio.get_running_loop()
        self._silence = IdleTimer(PING_SECONDS, self._on_silence)
        self._sink = ConversationSink(websocket, self._silence.touch)
        self._registration = caller.registration(self._sink.say, self._refuse)
        self._teller: Teller
        self._narrations: Narrations
        self._handshake: Handshake
        self._session_id = ""
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._heard_at = self._loop.time()
        self._bad_frames = 0

    def close(self, error: Exception) -> None:
        """From outside."""
        if not self._ended.done():
            self._ended.set_exception(error)

    async def run(self) -> None:
        """Until the client leaves; else it is closed with a code that says why."""
        with suppress(WebSocketDisconnect):
            try:
                with self._caller.hold_conversation(self):
                    await self._converse()
            except _BinaryFrame:
                await self._websocket.close(BINARY, "frames are text")
            except (Closing, Idle) as error:
                await self._sink.say("goaway", seconds=0, reason=error.message)
                await close(self._websocket, error)
            except HopstreamError as error:
                log.info("conversation refused", action="conversation.refused", reason=error.message)
                await self._refuse(error)
                await close(self._websocket, error)
            finally:
                await self._registration.close()

    async def _converse(self) -> None:
        (receiving,) = await self._until_one_ends(self._first_frame())
        first = receiving.result()
        self._handshake = read_handshake(first)
        await self._greet()
        with self._silence:
            await self._until_one_ends(self._teller.run(), self._narrations.run(), self._hear(first))

    async def _until_one_ends(self, *doing: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
        """All at once. Raises what the one has ended by, and what the connection was closed by from outside."""
        tasks = [asyncio.create_task(each, name="conversation") for each in doing]
        try:
            await asyncio.wait([*tasks, self._ended], return_when=asyncio.FIRST_COMPLETED)
            for done in (*tasks, self._ended):
                if done.done():
                    done.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return tasks

    async def _first_frame(self) -> dict[str, Any]:
        """Raises HandshakeMissing, BadFrame."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                text = await self._receive()
        except TimeoutError:
            raise HandshakeMissing(f"no handshake came within {HANDSHAKE_SECONDS:g} s") from None
        frame = decode_frame(text)
        if len(text) > HANDSHAKE_CHARS and not has_message(frame):
            raise BadHandshake(f"a handshake has at most {HANDSHAKE_CHARS} characters")
        return frame

    async def _greet(self) -> None:
        """Raises NotFound."""
        hello, caller = self._handshake, self._caller
        agent = await caller.agent(hello.agent_id)
        self._session_id = hello.conversation_id or secrets.token_urlsafe(16)
        self._teller = caller.teller(self._sink, self._silence, knows_restarts=hello.protocol is not None)
        turns = await caller.store.turns.statuses(self._session_id)
        unfinished = [number for number, status in turns.items() if status not in ("done", "error")]
        last_seq = await caller.store.narrator.last_seq(self._session_id)
        narrated = last_seq if hello.narrator_seq is None else min(hello.narrator_seq, last_seq)
        self._narrations = caller.narrations(self._session_id, narrated, self._sink.say)
        await self._sink.say(
            "ready",
            protocol=1,
            conversationId=self._session_id,
            agentId=agent.id,
            agentVersion=agent.version,
            tools=caller.chat.snapshot(agent)["tools"],
            firstTurn=min(turns, default=None),
            turn=max(turns, default=None),
            status="running" if unfinished else "idle",
            pingSeconds=PING_SECONDS,
            maxMessageChars=caller.max_message_chars,
            narratorSeq=last_seq,
        )
        if hello.resume is None:
            self._tell(unfinished)
        elif turns:
            await self._resume(hello.resume, [*turns])

    async def _resume(self, last_id: str, turns: list[int]) -> None:
        """Everything that came after it; from the beginning of the latest turn where it is not of this conversation."""
        try:
            cursor = Cursor.parse(last_id)
            key = TurnKey(self._session_id, cursor.turn)
            is_told = cursor.is_end_of(await self._caller.store.turns.get(key))
        except (InvalidEventId, NotFound) as error:
            await self._refuse(InvalidEventId(error.message))
            self._tell(turns[-1:])
            return
        if not is_told:
            self._teller.add(key, cursor)
        self._tell([number for number in turns if number > cursor.turn])

    def _tell(self, numbers: list[int]) -> None:
        for number in numbers:
            self._teller.add(TurnKey(self._session_id, number))

    async def _hear(self, first: dict[str, Any]) -> None:
        """All that the client says; beginning with the message of its first frame, if it has one."""
        frame: dict[str, Any] | None = first if has_message(first) else None
        while True:
            try:
                if frame is first:
                    await self._answer(read_message(frame))
                else:
                    frame = decode_frame(await self._receive())
                    await self._answer(read_frame(frame))
            except SecondHandshake:
                raise
            except BadFrame as error:
                self._bad_frames += 1
                if self._bad_frames >= MOST_BAD_FRAMES:
                    raise
                await self._refuse(error, frame)
            except HopstreamError as error:
                await self._refuse(error, frame)
            frame = None

    async def _answer(self, frame: ClientFrame) -> None:
        """Raises HopstreamError."""
        match frame:
            case PingFrame(type="ping", t=t):
                await self._sink.say("pong", **({} if t is None else {"t": t}))
                return
            case PingFrame():
                return
            case TurnMessage():
                await self._ask(frame)
            case StopFrame(turn=turn):
                with suppress(NotFound):  # there is nothing to stop yet
                    await self._caller.chat.cancel(self._session_id, turn)
            case RegisterFrame():
                await self._registration.register(frame)
            case NarrationFrame():
                await self._registration.answer(frame)
        self._heard_at = self._loop.time()

    async def _ask(self, message: TurnMessage) -> None:
        agent_id = message.agent_id or self._handshake.agent_id
        session_id = message.conversation_id or self._session_id
        options = message.options.over(self._handshake.options)
        turn, position, waiting, is_new = await self._caller.ask_agent(message, agent_id, options, session_id)
        await self._sink.say(
            "accepted",
            messageId=message.message_id,
            conversationId=turn.session_id,
            turn=turn.turn,
            position=position if turn.status == "queued" and is_new else None,
            waiting=waiting,
            duplicate=not is_new,
        )
        self._teller.add(turn.key, is_new=is_new)

    async def _refuse(self, error: HopstreamError, frame: dict[str, Any] | None = None) -> None:
        """Raises WebSocketDisconnect."""
        frame = frame or {}
        message_id = frame.get("messageId", frame.get("message_id"))
        more: dict[str, Any] = {"messageId": message_id} if isinstance(message_id, str) else {}
        if error.retry_after is not None:
            more["retryAfter"] = error.retry_after
        is_retryable = error.retry_after is not None or error.status in (408, 429, 503)
        await self._sink.say("error", message=error.message, code=error.code, retryable=is_retryable, **more)

    async def _receive(self) -> str:
        """Raises WebSocketDisconnect, _BinaryFrame."""
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received["code"])
        text = received.get("text")
        if text is None:
            raise _BinaryFrame
        return str(text)

    def _on_silence(self) -> None:
        is_idle = self._teller.is_idle and not self._registration.is_held
        if not is_idle:
            self._heard_at = self._loop.time()
        if is_idle and self._loop.time() - self._heard_at > IDLE_SECONDS:
            self.close(Idle(f"nothing was asked for {IDLE_SECONDS:g} s; reconnect"))
        elif self._sink.is_ready:
            self._sink.write(_PING)
