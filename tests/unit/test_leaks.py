"""What the tests' own watch over open things sees, so that each leak fails the test that made it."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from time import sleep

import pytest

from tests import leaks
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.05)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """That nobody serves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_socket_that_is_left_open_is_named_by_its_address() -> None:
    before = leaks.look()
    with socket.create_server(("127.0.0.1", 0)) as opened, pytest.raises(AssertionError) as raised:
        leaks.check(before)
    assert str(raised.value).startswith("left open: socket ('127.0.0.1', ")
    assert opened.fileno() == -1
    leaks.check(before)


def test_a_thread_is_waited_for_and_then_named() -> None:
    before, over = leaks.look(), threading.Event()
    thread = threading.Thread(target=over.wait, name="somebody")
    thread.start()
    with pytest.raises(AssertionError, match="left open: thread somebody"):
        leaks.check(before)
    over.set()
    thread.join()
    leaks.check(before)


def test_a_process_is_named_by_its_command_also_when_it_has_ended_and_nobody_waited() -> None:
    before = leaks.look()
    for command in (["sleep", "60"], ["true"]):
        with subprocess.Popen(command) as process:
            with pytest.raises(AssertionError, match=rf"left open: process {process.pid}"):
                leaks.check(before)
            process.kill()
    leaks.check(before)


def test_what_the_garbage_collector_finds_unclosed_is_told_here() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself, self.socket = self, socket.socket()

    before = leaks.look()
    Cycle()
    with pytest.raises(AssertionError, match="unclosed <socket"):
        leaks.check(before)
    leaks.check(before)


async def test_a_task_that_is_left_running_is_named_and_cancelled() -> None:
    before, opened = asyncio.all_tasks(), leaks.look()
    task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    with pytest.raises(AssertionError, match="left open: task forgotten"):
        await leaks.check_loop(before, opened)
    assert task.cancelled()


async def test_a_task_that_is_about_to_end_is_waited_for() -> None:
    before, opened = asyncio.all_tasks(), leaks.look()
    asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006
    await leaks.check_loop(before, opened)


async def test_a_connection_that_is_left_open_is_named(server: socket.socket) -> None:
    before, opened = asyncio.all_tasks(), leaks.look()
    _, writer = await asyncio.open_connection(*server.getsockname())
    with pytest.raises(AssertionError, match=rf"left open: socket .* to .*{server.getsockname()[1]}"):
        await leaks.check_loop(before, opened)
    writer.close()
    await writer.wait_closed()
    await leaks.check_loop(before, opened)


def test_what_somebody_keeps_is_no_leak(server: socket.socket) -> None:
    with Proxy(f"amqp://127.0.0.1:{server.getsockname()[1]}/") as proxy:
        before = leaks.look()
        proxy.refuse()
        proxy.restore()
        with closing(socket.create_connection(("127.0.0.1", _port(proxy)))), closing(server.accept()[0]):
            while not proxy.connections:
                sleep(leaks.POLL_SECONDS)
            assert len(leaks.look().since(before)) == 2  # the test's own, and neither end of the proxy's
    assert proxy.descriptors() == set()


def test_a_proxy_closes_what_it_accepted_and_whose_handshake_has_not_come(server: socket.socket) -> None:
    """With TLS a connection is accepted long before anybody can be told of it."""
    before = leaks.look()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with Proxy(f"amqp://127.0.0.1:{server.getsockname()[1]}/", tls=context) as proxy:
        clients = [socket.create_connection(("127.0.0.1", _port(proxy))) for _ in range(20)]
        clients[0].sendall(b"\x16\x03\x01")
    for client in clients:
        client.close()
    leaks.check(before, thoroughly=True)


def _port(proxy: Proxy) -> int:
    return int(proxy.url.rpartition(":")[2].partition("/")[0])
