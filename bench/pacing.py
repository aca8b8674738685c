"""Answers that keep to their script's schedule, between the mock upstream's routes and its connections."""

import asyncio
import random
import time
from functools import partial

from bench.answer import Answer
from bench.gates import ALL, Gates
from bench.http_server import Connection
from bench.record import Record
from bench.script import Script, Trouble

# Timers of an event loop are good to a millisecond. A token that is due within the next one goes at once.
TICK = 0.001
MAX_BATCH = 64  # tokens per write at most, so that one fast stream does not keep the others waiting

_GARBAGE = {
    "json": b'{"id":"chatcmpl-0","object":"chat.completion.chunk","choices":[{"index":0,"del\n\n',
    "html": b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502</body>\r\n</html>\r\n",
    "error": b'{"error":{"message":"The server had an error while processing your request.",'
    b'"type":"server_error","param":null,"code":null}}\n\n',
}


class PacedAnswer:
    """An answer under way on a connection. By itself it never comes: that is the script's `hang`."""

    def __init__(self, connection: Connection, record: Record, script: Script) -> None:
        self.connection = connection
        self.record = record
        self.script = script
        self.started = time.monotonic()
        self.timer: asyncio.TimerHandle | None = None
        record.open_streams += 1
        connection.exchange = self

    def writable(self) -> None:
        """Nothing waits for the client here."""

    def gone(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.record.open_streams -= 1
        self.record.disconnects += 1

    def finished(self) -> None:
        """Call it before the connection learns of the end, for then it goes on with the next request."""
        self.record.open_streams -= 1

    def drop(self) -> None:
        self.finished()
        self.connection.drop()

    def due(self, index: int) -> float:
        """When token `index` is due, on the monotonic clock."""
        return self.started + self.script.due(index) + random.random() * self.script.jitter


class PacedStream(PacedAnswer):
    """An answer as Server-Sent Events, token by token."""

    def __init__(
        self,
        connection: Connection,
        record: Record,
        script: Script,
        answer: Answer,
        trouble: Trouble | None,
        gates: Gates,
    ) -> None:
        super().__init__(connection, record, script)
        self._answer = answer
        self._events = answer.events()
        self._trouble = trouble
        self._gates = gates
        self._end = answer.tokens if trouble is None else min(answer.tokens, trouble.after)
        self._limit_tokens()
        self._sent = 0
        self._begun = False
        self._next_due = self.due(0)
        self._wait()

    def writable(self) -> None:
        if self.timer is None:
            self._wait()

    def gone(self) -> None:
        self._gates.leave(self.script.id or "", self._go_on)
        super().gone()

    def _wait(self) -> None:
        delay = max(self._next_due - time.monotonic(), 0)
        self.timer = asyncio.get_running_loop().call_later(delay, self._send_due)

    def _send_due(self) -> None:
        self.timer = None
        if self.connection.paused:
            return
        horizon = time.monotonic() + TICK
        first = self._sent
        ready = [] if self._begun else self._begin()
        while self._sent < self._limit and self._next_due <= horizon and self._sent - first < MAX_BATCH:
            ready.append(next(self._events))
            self._sent += 1
            self._next_due = self.due(self._sent)
        if ready:
            self.connection.send(b"".join(ready))
        self.record.tokens += self._sent - first
        if self._sent == self._limit:
            self._limit_tokens()  # more may have been allowed meanwhile
        if self._sent < self._limit:
            self._wait()
        elif self._is_held:
            self._gates.wait(self.script.id or "", self._go_on)
        else:
            self._close()

    def _limit_tokens(self) -> None:
        hold_after = self.script.hold_after
        allowed = ALL if hold_after is None else self._gates.allowed(self.script.id or "", hold_after)
        self._limit = min(allowed, self._end)
        """How many tokens may be out by now."""
        self._is_held = allowed <= self._end

    def _go_on(self) -> None:
        self._limit_tokens()
        self.writable()

    def _begin(self) -> list[bytes]:
        self._begun = True
        if self._trouble is not None and self._trouble.kind == "drop" and not self._end:
            return []
        self.connection.start("text/event-stream; charset=utf-8")
        return [self._answer.opening()]

    def _close(self) -> None:
        match self._trouble and self._trouble.kind:
            case "stall":
                return
            case "drop":
                self.drop()
                return
            case "garbage":
                garbage = _GARBAGE[self.script.garbage or "json"]
                self.connection.send(garbage if self.script.garbage == "html" else b"data: " + garbage)
            case _:
                self.connection.send(self._answer.closing())
        self.finished()
        self.connection.end()


class PacedBody(PacedAnswer):
    """An answer in one piece, when its last token would have come."""

    def __init__(
        self, connection: Connection, record: Record, script: Script, answer: Answer, trouble: Trouble | None
    ) -> None:
        super().__init__(connection, record, script)
        if trouble is not None and trouble.kind == "stall":
            return
        last = answer.tokens if trouble is None else min(answer.tokens, trouble.after)
        delay = self.due(max(last - 1, 0)) - time.monotonic()
        self.timer = asyncio.get_running_loop().call_later(max(delay, 0), partial(self._send, answer, trouble))

    def _send(self, answer: Answer, trouble: Trouble | None) -> None:
        if trouble is not None and trouble.kind == "drop":
            self.drop()
            return
        self.finished()
        if trouble is not None:
            content_type = "text/html" if self.script.garbage == "html" else "application/json"
            self.connection.respond(200, _GARBAGE[self.script.garbage or "json"], content_type)
        else:
            self.connection.respond(200, answer.body())
