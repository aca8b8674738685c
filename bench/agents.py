"""What an agent's conversation costs, beside `POST /chat` and its stream: its worker, and those who watch it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench.clients import MESSAGE, Question, Reading
from bench.contenders import BROKER, Contender, pids_of, queue_of, start_mock
from bench.http_client import HttpClient
from bench.ladder import RATE, WARM_UP, tell
from bench.processes import Processes
from bench.rung import Load, Rung
from bench.stack import Stack
from bench.stats import median
from bench.usage import Usage
from bench.viewers import audience, watch_sse

AGENT = "planner"
"""One without tools, that every registry has."""
LOAD = Load(100, 2, 250, RATE)
VIEWERS = 100
"""Of one answer."""
CHAT, CONVERSATION = "POST /chat, GET /stream", "/ws/chat, an agent"
SSE, SOCKET = "SSE", "WebSocket"


class AgentCost(msgspec.Struct):
    what: str
    cpu_us: float
    """CPU microseconds per token, and viewer: the median of the runs."""
    ratio: float
    """To the first of its kind in the same run: the median."""
    lost: int
    """Tokens and answers, of all runs."""


class AgentCosts(msgspec.Struct):
    worker: list[AgentCost]
    """Of the worker alone."""
    everything: list[AgentCost]
    """Of API, worker and RabbitMQ."""
    viewers: list[AgentCost]
    """Of the API, with many viewers of one answer."""


async def measure(runs: int) -> AgentCosts:
    with Processes() as processes:
        async with Stack(processes, await start_mock(processes)) as stack, _conversations() as conversations:
            contenders = {
                CHAT: queue_of(stack),
                CONVERSATION: Contender("agent", stack.apis, conversations.read, (*stack.names, BROKER)),
            }
            pids, usage = pids_of(processes), Usage(pids_of(processes))
            costs = {name: _Books() for name in (*contenders, SSE, SOCKET)}
            for contender in contenders.values():
                await Rung(contender, WARM_UP, pids).run()
            for number in range(1, runs + 1):
                for name, contender in contenders.items():
                    figures = await Rung(contender, LOAD, pids).run()
                    tell(f"run {number}, {name}", contender, figures)
                    costs[name].lost += figures.lost + figures.doubled + figures.unfinished
                    costs[name].worker.append(figures.cpu_of([each for each in stack.names if "worker" in each]))
                    costs[name].cpu.append(figures.cpu_of(contender.processes))
                for name, follow in ((SSE, watch_sse), (SOCKET, _watch_socket)):
                    seen = await audience(stack.apis[0], usage, VIEWERS, follow)
                    costs[name].cpu.append(seen.api_us)
                    costs[name].lost += seen.lost
    chat, talk = costs[CHAT], costs[CONVERSATION]
    return AgentCosts(
        [_cost(CHAT, chat.worker, chat.worker, chat.lost), _cost(CONVERSATION, talk.worker, chat.worker, talk.lost)],
        [_cost(CHAT, chat.cpu, chat.cpu, chat.lost), _cost(CONVERSATION, talk.cpu, chat.cpu, talk.lost)],
        [_cost(name, costs[name].cpu, costs[SSE].cpu, costs[name].lost) for name in (SSE, SOCKET)],
    )


class _Books:
    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.worker: list[float] = []
        self.lost = 0


def _cost(what: str, cpu: list[float], usual: list[float], lost: int) -> AgentCost:
    return AgentCost(what, median(cpu), median([a / b for a, b in zip(cpu, usual, strict=True)]), lost)


class _Frame(msgspec.Struct):
    type: str
    token: str = ""
    code: str = ""
    message: str = ""


_frame = msgspec.json.Decoder(_Frame).decode


class _Conversations:
    """One connection for each session, as a front end has it."""

    def __init__(self) -> None:
        self.sockets: dict[str, ClientConnection] = {}

    async def read(self, http: HttpClient, question: Question, reading: Reading) -> None:
        socket = self.sockets.get(question.session_id)
        if socket is None:
            socket = self.sockets[question.session_id] = await _open(http.url, question.session_id)
        await socket.send(json.dumps({"message": MESSAGE, "options": {"model": question.model}}))
        await _follow(socket, reading)


@asynccontextmanager
async def _conversations() -> AsyncIterator[_Conversations]:
    conversations = _Conversations()
    try:
        yield conversations
    finally:
        await asyncio.gather(*(socket.close() for socket in conversations.sockets.values()))


async def _open(url: str, session_id: str) -> ClientConnection:
    address = f"{url.replace('http', 'ws', 1)}/ws/chat"
    socket = await connect(address, compression=None, ping_interval=None, proxy=None)
    await socket.send(json.dumps({"agentId": AGENT, "conversationId": session_id, "protocol": 1}))
    return socket


async def _follow(socket: ClientConnection, reading: Reading) -> None:
    """A turn to its end."""
    while True:
        frame = _frame(await socket.recv(decode=False))
        if frame.type == "token":
            reading.text(frame.token, time.monotonic_ns())
        elif frame.type == "restart":
            reading.error = "it began again"
        elif frame.type == "error":
            reading.error = f"{frame.code}: {frame.message}"
            return
        elif frame.type == "done":
            reading.complete = True
            return


async def _watch_socket(url: str, session_id: str, _: str, reading: Reading) -> None:
    socket = await _open(url, session_id)
    await _follow(socket, reading)
    await socket.close()


def table(costs: AgentCosts) -> str:
    lines = ["| | CPU per token, µs | times the first | lost or doubled |", "| --- | ---: | ---: | ---: |"]
    for what, rows in (
        ("worker", costs.worker),
        ("API, worker, RabbitMQ", costs.everything),
        (f"API, {VIEWERS} viewers, for each", costs.viewers),
    ):
        lines += [f"| {what}: {row.what} | {row.cpu_us:.1f} | {row.ratio:.2f} | {row.lost} |" for row in rows]
    return "\n".join(lines)
