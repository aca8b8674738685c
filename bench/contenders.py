"""Who is measured: the model by itself, Hopstream's two modes, and what people would use instead."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench import litellm
from bench.clients import Client, read_direct, read_openai, read_queue
from bench.http_client import fetch
from bench.processes import ROOT, Processes, free_port
from bench.stack import Stack, broker_url, check
from bench.tls import Certificate, make_certificate
from bench.usage import broker_pid

MODES = ("mock", "direct", "queue", "litellm", "naive")
BROKER = "rabbitmq"
MOCK = "mock"
LITELLM = ROOT / "data" / "bench" / "litellm" / "bin" / "litellm"


class Contender(NamedTuple):
    mode: str
    urls: tuple[str, ...]
    """Of its processes that serve; sessions are shared out among them."""
    client: Client
    processes: tuple[str, ...]
    """Those that its answers pass through, the model's and the driver's left out."""


@asynccontextmanager
async def contenders(
    processes: Processes,
    modes: Sequence[str],
    models: Sequence[str],
    litellm_program: Path = LITELLM,
    *,
    is_encrypted: bool = False,
) -> AsyncIterator[list[Contender]]:
    """All up and running, in the order asked for. `models`: the names that will be asked of the mock upstream.
    `is_encrypted`: by TLS, which Hopstream alone is told to trust."""
    certificate = make_certificate(processes.home) if is_encrypted else None
    mock = await start_mock(processes, certificate)
    ready = {"mock": Contender("mock", (mock,), read_openai, ())}
    async with AsyncExitStack() as running:
        if {"direct", "queue"} & set(modes):
            trust = {} if certificate is None else {"SSL_CERT_FILE": str(certificate.authority)}
            stack = await running.enter_async_context(Stack(processes, mock, trust=trust))
            ready["direct"] = Contender("direct", stack.apis, read_direct, ("api",))
            ready["queue"] = queue_of(stack)
        if "litellm" in modes:
            url = await litellm.start(processes, litellm_program, mock, models)
            ready["litellm"] = Contender("litellm", (url,), read_openai, (litellm.NAME,))
        if "naive" in modes:
            url = await _start_naive(processes, mock)
            ready["naive"] = Contender("naive", (url,), read_queue, ("naive api", "naive worker", BROKER))
        yield [ready[mode] for mode in modes]


def queue_of(stack: Stack) -> Contender:
    return Contender("queue", stack.apis, read_queue, (*stack.names, BROKER))


async def start_mock(processes: Processes, certificate: Certificate | None = None) -> str:
    """Its URL."""
    tls = () if certificate is None else ("--certificate", str(certificate.own))
    processes.run_module(MOCK, "bench.mock_upstream", "--port", "0", *tls)
    return await processes.first_line(MOCK)


def pids_of(processes: Processes) -> dict[str, int]:
    """Also RabbitMQ's, where it runs on this machine."""
    pids = processes.pids
    if (pid := broker_pid(broker_url())) is not None:
        pids[BROKER] = pid
    return pids


async def _start_naive(processes: Processes, mock: str) -> str:
    await check(broker_url())
    port = free_port()
    environment = {
        "RABBIT_MQ": broker_url(),
        "NAIVE_PREFIX": f"naive-{secrets.token_hex(4)}.",
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"{mock}/v1",
    }
    processes.run_module("naive worker", "bench.naive.worker", env=environment)
    await processes.first_line("naive worker")
    uvicorn = ("uvicorn", "bench.naive.api:app", "--port", str(port), "--no-access-log")
    processes.run_module("naive api", *uvicorn, env=environment)
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        return await fetch(url, "/health") is not None

    await processes.until(answers, "the naive API")
    return url
