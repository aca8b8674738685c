"""The load: people who ask, watch, leave, come back and cancel, as browsers do; and who count every token."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, Protocol

import aiohttp

from bench.tokens import Ledger, awkward, token
from tests.faults.books import Books

HANG_SECONDS = 120.0
"""A turn of which no viewer hears for so long hangs: no fault keeps a stream silent for half of that."""
TURN_SECONDS = 600.0
"""An answer takes fifty, and starts again where a worker is lost or stopped, which faults can do to it many times. One
that has not ended by then hangs, too."""
SILENCE_SECONDS = 1.0
"""A stream that says nothing for so long, at a token every 420 ms at most, has been hit."""
RECONNECT_SECONDS = 0.5
READ_SECONDS = 20.0
"""Longer than the 15 s between pings."""
REFUSALS = (429, 502, 503)
ERRORS = (aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError)


class Answer(NamedTuple):
    """What every turn's model says: tokens that can be counted, at a steady pace."""

    tokens: int
    rate: float
    """Tokens a second."""

    @property
    def seconds(self) -> float:
        return self.tokens / self.rate

    @property
    def text(self) -> str:
        return "".join(token("numbered", index) + awkward(index) for index in range(self.tokens))


class Server(Protocol):
    url: str


class Event(NamedTuple):
    id: str | None
    data: dict[str, Any]


OnMove = Callable[[str, float, float], None]
"""Told of a stream that moves again: its session, when it last moved, and now, on the monotonic clock."""


class Load:
    """So many people at a time; each asks, watches to the end, and asks again."""

    def __init__(self, apis: Sequence[Server], answer: Answer, books: Books, on_move: OnMove, seed: int) -> None:
        self._apis = apis
        self._answer = answer
        self._books = books
        self._on_move = on_move
        self._random = random.Random(seed)
        self._http: aiohttp.ClientSession
        self._goes_on = True

    async def run(self, people: int) -> None:
        """Until `finish()`, and then until every turn has ended."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=READ_SECONDS)
        # Connections are not used again: one to a process that died would fail the next request, not this one.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        http = aiohttp.ClientSession(timeout=timeout, connector=connector)
        async with http as self._http, asyncio.TaskGroup() as group:
            for number in range(people):
                group.create_task(self._person(number / people * self._answer.seconds))

    def finish(self) -> None:
        self._goes_on = False

    async def _person(self, delay: float) -> None:
        await asyncio.sleep(delay)
        while self._goes_on:
            session = f"f-{secrets.token_hex(8)}"
            if not await self._ask(session):
                await asyncio.sleep(self._random.uniform(0.5, 1.5))
                continue
            self._books.accepted += 1
            self._books.running += 1
            try:
                async with asyncio.timeout(TURN_SECONDS), asyncio.timeout(HANG_SECONDS) as hang:
                    await self._watch(session, hang)
            except TimeoutError:
                self._books.hung += 1
            self._books.running -= 1

    async def _ask(self, session: str) -> bool:
        """Whether the turn was accepted. Where no answer came, the session tells."""
        body = {"message": "Count for me", "session_id": session, "model": self._model(session)}
        try:
            async with await self._send("POST", "/chat", json=body) as response:
                if response.status == 202:
                    return True
                if response.status not in REFUSALS:
                    self._books.surprises[f"POST /chat {response.status}"] += 1
                self._books.refused[response.status] += 1
                return False
        except ERRORS:
            pass
        while True:
            try:
                async with await self._send("GET", f"/sessions/{session}") as response:
                    if response.status in (200, 404):
                        if response.status == 404:
                            self._books.refused[0] += 1
                        return response.status == 200
            except ERRORS:
                pass
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _watch(self, session: str, hang: asyncio.Timeout) -> None:
        """One viewer that stays, perhaps others that come and go; perhaps the answer is stopped."""
        others = []
        view = partial(self._view, session, hang)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(view(restless=self._random.random() < 0.15))
            if self._random.random() < 0.2:
                others.append(group.create_task(view(delay=self._some_time())))
            if self._random.random() < 0.05:
                group.create_task(self._cancel(session, self._some_time()))
        end = watching.result()
        if any(other.result() != end for other in others):
            self._books.surprises["two viewers saw different ends"] += 1
        match end.get("type"), end.get("finish_reason"):
            case "done", "stop":
                self._books.completed += 1
            case "done", "cancelled":
                self._books.cancelled += 1
            case "error", _:
                self._books.failed[str(end.get("code"))] += 1
            case _:
                self._books.surprises[f"an end {end}"] += 1

    async def _view(
        self, session: str, hang: asyncio.Timeout, *, delay: float = 0, restless: bool = False
    ) -> dict[str, Any]:
        """Read a turn to its end as an EventSource does, on any process, and put `hang` off with each event. Returns
        its terminal event."""
        await asyncio.sleep(delay)
        viewer = Viewer(self._answer, self._books, partial(self._on_move, session))
        while viewer.end is None:
            headers = {"Last-Event-ID": viewer.last_id} if viewer.last_id else {}
            leave_after = self._random.uniform(0.5, 3) if restless and self._random.random() < 0.5 else None
            with suppress(*ERRORS):
                async with asyncio.timeout(leave_after):
                    async with await self._send("GET", f"/stream/{session}", headers=headers) as response:
                        if response.status == 200:
                            async for event in _events(response):
                                if viewer.see(event):
                                    hang.reschedule(asyncio.get_running_loop().time() + HANG_SECONDS)
                        elif response.status not in REFUSALS:
                            self._books.surprises[f"GET /stream {response.status}"] += 1
            if viewer.end is None:
                self._books.reconnects += 1
                await asyncio.sleep(RECONNECT_SECONDS * self._random.uniform(0.1, 1))
        viewer.close()
        return viewer.end

    async def _cancel(self, session: str, delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            with suppress(*ERRORS):
                async with await self._send("POST", f"/chat/{session}/cancel") as response:
                    if response.status == 202:
                        return
                    if response.status not in REFUSALS:
                        self._books.surprises[f"cancel {response.status}"] += 1
            await asyncio.sleep(RECONNECT_SECONDS)

    def _some_time(self) -> float:
        """Seconds, within an answer."""
        return self._random.uniform(0, self._answer.seconds)

    def _model(self, session: str) -> str:
        """Sometimes one that breaks its connection in mid-answer, once."""
        rate = self._answer.rate * self._random.uniform(0.8, 1.4)  # or all that a fault starts anew end together, too
        model = f"mock?tokens={self._answer.tokens}&rate={rate:.2f}&unicode"
        if self._random.random() < 0.03:
            model += f"&id={session}&drop_times=1&drop_after={self._random.randrange(self._answer.tokens)}"
        return model

    async def _send(self, method: str, path: str, **arguments: Any) -> aiohttp.ClientResponse:
        """To any process, as through a load balancer: where one takes no connection, the next is asked at once."""
        *some, last = self._random.sample(self._apis, len(self._apis))
        for api in some:
            with suppress(aiohttp.ClientConnectorError):
                return await self._http.request(method, f"{api.url}{path}", **arguments)
        return await self._http.request(method, f"{last.url}{path}", **arguments)


class Viewer:
    """What one reader has on its screen, and its books."""

    def __init__(self, answer: Answer, books: Books, on_move: Callable[[float, float], None]) -> None:
        self.last_id: str | None = None
        self.end: dict[str, Any] | None = None
        self._answer = answer
        self._books = books
        self._on_move = on_move
        self._moved_at: float | None = None
        self._text: list[str] = []
        self._ledger = Ledger()

    def see(self, event: Event) -> bool:
        """Whether the turn moves: one that waits in the queue does not."""
        now = monotonic()
        if self._moved_at is not None and now - self._moved_at > SILENCE_SECONDS:
            self._on_move(self._moved_at, now)
        self.last_id = event.id or self.last_id
        match event.data.get("type"):
            case "queued":
                return False  # but it is not silent
            case "restart":
                self._books.restarts[event.data["reason"]] += 1
                self._ledger, self._text = Ledger(), []
            case "done" | "error":
                if self.end is not None:
                    self._books.surprises["a second terminal event"] += 1
                self.end = event.data
            case None:
                chunk = event.data["chunk"]
                self._text.append(chunk)
                self._ledger.read(chunk, 0)
        self._moved_at = now
        return True

    def close(self) -> None:
        """The end was seen. What came must be the whole answer, or its beginning if it was cut short."""
        assert self.end is not None
        is_whole = self.end.get("finish_reason") == "stop"
        self._books.book(self._ledger, self._answer.tokens if is_whole else self._ledger.received)
        whole, text = self._answer.text, "".join(self._text)
        if not whole.startswith(text) or (is_whole and text != whole):
            self._books.surprises["a text that is not the model's"] += 1


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    rest = b""
    async for raw in response.content.iter_any():
        *blocks, rest = (rest + raw).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if "data" in fields:
                yield Event(fields.get("id"), json.loads(fields["data"]))
