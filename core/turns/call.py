"""A call from Python: a model is asked by this very process, and the answer goes to callbacks as it comes.

    async with Calls() as calls:
        response = await calls.ask(
            "What is the weather like?",
            goal_id="goal-1",
            on_chunk=lambda chunk, index: print(chunk, end=""),
        )
    print(response.text, response.usage)

Each call is a turn like any other: it is stored with its labels, told on the event bus, answered by the catalogue's
models with their fallbacks, and can be read at the API by `session_id`. Settings are those of the environment and of
`.env`. For several calls at once, `asyncio.gather` them on one `Calls`.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from types import TracebackType
from typing import Any, Self

import msgspec

from core.broker.connection import BrokerConnection
from core.broker.topology import declare_all
from core.model.errors import HopstreamError, error_of
from core.model.events import Done, Failed, Usage
from core.model.feed import Feed
from core.model.parts import Text, ToolCall, whole_tool_calls
from core.providers.base import Message
from core.settings import Settings, get_settings
from core.store.retry import open_when_up
from core.store.turns.records import Labels, NewTurn
from core.turns.owner import TurnOwner
from core.turns.run import Run, Stop


class Response(msgspec.Struct, frozen=True):
    """A whole answer."""

    session_id: str
    turn: int
    text: str
    reasoning: str
    refusal: str
    tool_calls: list[ToolCall]
    finish_reason: str
    usage: Usage | None
    model: str | None
    """By the word of the service that has answered."""
    provider: str | None
    cost: float | None
    """US dollars, by the prices of MODELS_FILE."""


OnChunk = Callable[[str, int], Awaitable[None] | None]
"""Given each piece of text, and how many came before it."""
OnComplete = Callable[[Response], Awaitable[None] | None]
OnError = Callable[[HopstreamError], Awaitable[None] | None]


class Calls:
    """What calls share: the database, the event bus, the models. `async with` opens and closes it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or get_settings()
        self._connection = BrokerConnection(self._settings.rabbit_mq, "hopstream calls", declare_all, publishes=True)
        self._owner = TurnOwner("python", self._settings, self._connection)

    async def __aenter__(self) -> Self:
        """Waits for a database that is away; RabbitMQ may be."""
        self._connection.start()
        await open_when_up(self._owner.store)
        # Else the first answer would load what it needs in the event loop, where heartbeats wait for it meanwhile.
        await asyncio.to_thread(self._owner.catalogue.prepare)
        self._owner.keeper.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._owner.stop()

    async def ask(
        self,
        message: str | None = None,
        *,
        messages: Sequence[Message] | None = None,
        model: str | None = None,
        session_id: str | None = None,
        options: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        goal_id: str | None = None,
        work_item_id: str | None = None,
        run_id: str | None = None,
        metadata: dict[str, str] | None = None,
        on_chunk: OnChunk | None = None,
        on_complete: OnComplete | None = None,
        on_error: OnError | None = None,
    ) -> Response:
        """Ask `message` after the session's history, or `messages` in its place.

        An answer that breaks off goes on where it was, if its model can do that; else it ends with an error, because
        what was given to `on_chunk` cannot be taken back. Cancelling the call cancels the turn. Raises HopstreamError,
        and tells `on_error` first; ValueError for both or neither of `message` and `messages`. What a callback raises
        ends the call.
        """
        if (message is None) == (messages is None):
            raise ValueError("there must be either message or messages")
        asked: dict[str, Any] = {"messages": msgspec.to_builtins(list(messages))} if messages is not None else {}
        new = NewTurn(
            session_id=session_id or secrets.token_urlsafe(16),
            mode="direct",
            model=model or self._owner.catalogue.default_model,
            message=message if message is not None else _question(messages or ()),
            input={**asked, **({"tools": tools} if tools else {})} or None,
            options=options or {},
            labels=Labels(goal_id, work_item_id, run_id, metadata or {}),
            owner=self._owner.runs.process_id,
        )
        try:
            response = await self._answer(new, on_chunk)
        except HopstreamError as error:
            await _tell(on_error, error)
            raise
        await _tell(on_complete, response)
        return response

    async def _answer(self, new: NewTurn, on_chunk: OnChunk | None) -> Response:
        turn = (await self._owner.store.turns.create(new)).turn
        run = Run(turn, self._owner.runs, may_restart=False)
        self._owner.keeper.add(run)
        limit = asyncio.get_running_loop().call_later(self._settings.max_turn_seconds, run.stop, Stop.TIME_LIMIT)
        answering = asyncio.create_task(run.execute(), name=f"call {turn.key}")
        try:
            await _follow(run.feed, answering, on_chunk)
        finally:
            limit.cancel()
            run.stop(Stop.CANCELLED)
            await asyncio.wait([answering])
            self._owner.keeper.remove(run)
        answering.result()
        return await self._response(run.feed)

    async def _response(self, feed: Feed) -> Response:
        """Raises HopstreamError."""
        match feed.end:
            case Done() as done:
                tape, turn = feed.tape, await self._owner.store.turns.get(feed.key)
                return Response(
                    *feed.key,
                    tape.text(),
                    tape.reasoning(),
                    tape.refusal(),
                    whole_tool_calls(tape.slice()),
                    done.finish_reason,
                    done.usage,
                    done.model,
                    done.provider,
                    turn.cost,
                )
            case Failed(code=code, message=message):
                raise error_of(code, message)
            case None:
                raise error_of("attempt_lost", "the answer was ended elsewhere")


async def _follow(feed: Feed, answering: asyncio.Task[None], on_chunk: OnChunk | None) -> None:
    position = index = 0
    with feed.watch() as changed:
        answering.add_done_callback(lambda _: changed.set())
        while True:
            changed.clear()
            is_over = answering.done()
            for part in feed.tape.pieces(position):
                position += len(part)
                if isinstance(part, Text):
                    await _tell(on_chunk, part.text, index)
                    index += 1
            if is_over:
                return
            await changed.wait()


async def _tell(callback: Callable[..., Any] | None, *told: Any) -> None:
    if callback is not None and isawaitable(waiting := callback(*told)):
        await waiting


def _question(messages: Sequence[Message]) -> str:
    """What the turn shows: the last words of the user's."""
    asked = [message.text() for message in messages if message.role == "user"]
    return next(filter(str.strip, reversed(asked)), "…")
