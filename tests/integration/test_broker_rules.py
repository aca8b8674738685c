"""RabbitMQ as its operators run it: rights for a prefix alone, policies over all queues, other defaults."""

import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from bench.processes import free_port
from tests.client import Client, new_session, numbered
from tests.faults.broker import Broker, Node
from tests.faults.test_faults import RABBITMQCTL
from tests.integration.conftest import eventually
from tests.parts import require
from tests.stack import BROKER, Stack

pytestmark = pytest.mark.anyio

TTL_MS = 500


@pytest.fixture
def virtual_host() -> Iterator[Broker]:
    """Of its own, in which rules may be set."""
    require(RABBITMQCTL, "no RabbitMQ that may be changed: HOPSTREAM_TEST_RABBITMQCTL is not set")
    with Broker([Node(BROKER, RABBITMQCTL)]) as broker:
        yield broker


@pytest.fixture
def limited_url(virtual_host: Broker) -> Iterator[str]:
    """Of a user who has no rights yet."""
    user, password = f"u{secrets.token_hex(4)}", secrets.token_hex(8)
    virtual_host.ctl("add_user", user, password)
    parts = urlsplit(virtual_host.urls[0])
    yield parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port or 5672}").geturl()
    virtual_host.ctl("delete_user", user)


@pytest.fixture
async def stack(virtual_host: Broker, tmp_path: Path) -> AsyncIterator[Stack]:
    with Stack(tmp_path, virtual_host.urls[0]) as stack:
        yield stack


async def test_rights_for_the_prefix_alone_are_enough(virtual_host: Broker, limited_url: str, stack: Stack) -> None:
    _permit(virtual_host, limited_url, _ours(stack, ""))
    api = stack.start_api(RABBIT_MQ=limited_url)
    stack.start_worker(RABBIT_MQ=limited_url)
    async with Client(api.url) as client:
        session = new_session()
        await client.ask(session_id=session, model="mock?tokens=5")
        assert (await client.until(session, "done"))["text"] == numbered(5)


async def test_a_right_that_is_missing_is_named(virtual_host: Broker, limited_url: str, stack: Stack) -> None:
    """And a worker to which no jobs come is not ready."""
    _permit(virtual_host, limited_url, _ours(stack, "(llm|session)"))
    port = free_port()
    worker = stack.launch_worker(RABBIT_MQ=limited_url, WORKER_HEALTH_PORT=str(port))
    await eventually(lambda: f"access to exchange '{stack.prefix}celery.pidbox'" in worker.output())
    await eventually(lambda: "broker.up" in worker.output())
    assert await anyio.to_thread.run_sync(_status_of, f"http://127.0.0.1:{port}/ready") == 503
    _permit(virtual_host, limited_url, _ours(stack, "celery"))
    api = stack.launch_api(RABBIT_MQ=limited_url)
    await eventually(lambda: f"access to exchange '{stack.prefix}llm.sessions'" in api.output())


@pytest.mark.parametrize("rule", [{"message-ttl": TTL_MS}, {"max-length": 1}])
async def test_a_turn_that_only_waited_is_queued_again(
    stack: Stack, virtual_host: Broker, rule: dict[str, int]
) -> None:
    """Whatever a policy does to its job."""
    api = stack.start_api()
    worker = stack.start_worker(concurrency=1)
    virtual_host.ctl(
        "set_policy", "-p", virtual_host.vhost, "rule", r"llm\.jobs$", json.dumps(rule), "--apply-to", "queues"
    )
    async with Client(api.url) as client:
        first = new_session()
        await client.ask(session_id=first, model=f"mock?tokens=5&hold_after=2&id={first}")
        await client.until(first, "running")
        others = [new_session() for _ in range(3)]
        for session in others:
            await client.ask(session_id=session, model="mock?tokens=5")
        await eventually(lambda: "dead_job.requeued" in worker.output())
        stack.release(first)
        for session in (first, *others):
            assert (await client.until(session, "done", "error"))["text"] == numbered(5)


async def test_session_logs_are_classic_whatever_the_default(stack: Stack, virtual_host: Broker) -> None:
    """With quorum queues as the default, their single active consumers and short lengths would not hold."""
    major, minor = virtual_host.version
    if major < 4:
        pytest.skip(f"RabbitMQ {major}.{minor} has no default queue type for a virtual host that was made before")
    virtual_host.ctl("update_vhost_metadata", virtual_host.vhost, "--default-queue-type", "quorum")
    api = stack.start_api()
    stack.start_worker()
    async with Client(api.url) as client:
        session = new_session()
        await client.ask(session_id=session, model=f"mock?tokens=40&rate=40&hold_after=20&id={session}")
        await client.until(session, "running")

        def kinds() -> dict[str, str]:
            return dict(map(tuple, virtual_host.rows("list_queues", "-p", virtual_host.vhost, "name", "type")))  # type: ignore[arg-type]

        await eventually(lambda: any(session in name for name in kinds()))
        assert {kind for name, kind in kinds().items() if session in name} == {"classic"}
        stack.release(session)
        assert (await client.until(session, "done"))["text"] == numbered(40)


@pytest.mark.parametrize("pool", ["solo", "threads"])
async def test_another_pool_is_refused_in_one_line(stack: Stack, pool: str) -> None:
    worker = stack.launch_worker("--pool", pool)
    assert worker.wait() != 0
    assert worker.output().count("--pool (-P)") == 1
    assert "Traceback" not in worker.output()


def _ours(stack: Stack, names: str) -> str:
    """What a user may declare: what is the stack's and begins like this, and what RabbitMQ names itself."""
    return f"^({re.escape(stack.prefix)}{names}|amq\\.gen-)"


def _permit(broker: Broker, url: str, configure: str) -> None:
    """Writing and reading are limited to names with a prefix."""
    every = r"^(t[0-9a-f]{8}\.|amq\.gen-|amq\.default$)"
    broker.ctl("set_permissions", "-p", broker.vhost, urlsplit(url).username or "", configure, every, every)


def _status_of(url: str) -> int:
    try:
        return urllib.request.urlopen(url, timeout=5).status  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        return error.code
