"""A thousand requests that no client should send, and a service that goes on answering."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle, islice
from typing import NamedTuple

import psutil
import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import Shared, eventually
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

REQUESTS = 1000
AT_ONCE = 50
SLOW_STEP_SECONDS = 0.01
JSON = b"Content-Type: application/json\r\n"


class Malformed(NamedTuple):
    head: bytes
    slow: bytes = b""
    """Sent after it, byte by byte."""
    ending: str = "wait"
    """half-close, reset, leave; or wait for an answer."""


Maker = Callable[[random.Random], Malformed]


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(body: bytes, *lines: bytes, length: bytes | None = None) -> bytes:
    length = str(len(body)).encode() if length is None else length
    head = b"POST /chat HTTP/1.1\r\nHost: x\r\n" + JSON + b"Content-Length: " + length + b"\r\n"
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return b"POST /chat HTTP/1.1\r\nHost: x\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + body


KINDS: dict[str, Maker] = {
    "noise": lambda r: Malformed(r.randbytes(r.randrange(1, 4096))),
    "noise as a body": lambda r: Malformed(post(r.randbytes(r.randrange(1, 4096)))),
    "noise as a path": lambda r: Malformed(get(b"/" + r.randbytes(40).replace(b"\n", b"").replace(b" ", b""))),
    "noise as a header": lambda r: Malformed(get(b"/health", b"X-Noise: " + r.randbytes(200).replace(b"\n", b""))),
    "noise as an id": lambda r: Malformed(get(b"/stream/" + r.randbytes(9).hex("%").encode())),
    "no version": lambda _: Malformed(b"GET /health\r\n\r\n"),
    "unknown version": lambda _: Malformed(b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n"),
    "unknown method": lambda _: Malformed(b"BREW /chat HTTP/1.1\r\nHost: x\r\n\r\n"),
    "HTTP/2 preface": lambda _: Malformed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS hello": lambda r: Malformed(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + r.randbytes(200)),
    "websocket upgrade": lambda _: Malformed(get(b"/chat", b"Connection: Upgrade", b"Upgrade: websocket")),
    "broken escapes": lambda _: Malformed(get(b"/stream/%ZZ%f%00%ff%c0%ae?turn=%%%")),
    "long path": lambda r: Malformed(get(b"/" + b"a" * r.choice((9_000, 70_000)))),
    "long query": lambda _: Malformed(get(b"/stream/s?last_event_id=" + b"9" * 30_000)),
    "one huge header": lambda r: Malformed(
        get(b"/health", b"X-Huge: " + b"h" * r.choice((10_000, 100_000, 1_000_000)))
    ),
    "an endless header": lambda _: Malformed(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"h" * 70_000),
    "a thousand headers": lambda _: Malformed(get(b"/health", *(b"X-%d: y" % n for n in range(1000)))),
    "huge Last-Event-ID": lambda _: Malformed(get(b"/stream/s", b"Last-Event-ID: " + b"1." * 5_000)),
    "huge Authorization": lambda _: Malformed(get(b"/sessions", b"Authorization: Bearer " + b"k" * 8_000)),
    "length that is no number": lambda _: Malformed(post(b"{}", length=b"two")),
    "negative length": lambda _: Malformed(post(b"{}", length=b"-1")),
    "endless length": lambda _: Malformed(post(b"{}", length=b"9" * 30)),
    "two lengths": lambda _: Malformed(post(b"{}", b"Content-Length: 5")),
    "length and chunks": lambda _: Malformed(post(b"0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "broken chunk size": lambda _: Malformed(chunked(b"zz\r\n{}\r\n0\r\n\r\n")),
    "chunk too long": lambda _: Malformed(chunked(b"ffffffffffff\r\n{}"), ending="half-close"),
    "cut off in the head": lambda _: Malformed(b"POST /chat HTTP/1.1\r\nHost", ending="half-close"),
    "cut off in the body": lambda _: Malformed(post(b'{"message": "h', length=b"500"), ending="half-close"),
    "reset in the body": lambda _: Malformed(post(b'{"message": "h', length=b"500"), ending="reset"),
    "reset after the question": lambda _: Malformed(post(b'{"message": "hi", "mode": "direct"}'), ending="reset"),
    "left without a word": lambda _: Malformed(b"", ending="leave"),
    "slow head": lambda r: Malformed(b"GET /hea", b"lth HTTP/1.1"[: r.randrange(1, 12)], ending="leave"),
    "slow body": lambda r: Malformed(post(b"", length=b"900"), b'{"message": "hello"'[: r.randrange(1, 19)], "leave"),
    "slow but whole": lambda _: Malformed(post(b"", length=b"11"), b'{"messa": 1'),
    "nested too deeply": lambda _: Malformed(post(b"[" * 50_000)),
    "huge number": lambda _: Malformed(post(b'{"message": "hi", "replaces": ' + b"9" * 5_000 + b"}")),
    "more after the end": lambda r: Malformed(post(b"[]") + r.randbytes(100)),
}


def malformed_requests() -> Iterator[Malformed]:
    dice = random.Random(7)
    return (make(dice) for make in islice(cycle(KINDS.values()), REQUESTS))


async def send(request: Malformed, port: int) -> bytes:
    """The status line of the answer; empty if there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.head)
        for byte in request.slow:
            await asyncio.sleep(SLOW_STEP_SECONDS)
            writer.write(bytes((byte,)))
        await writer.drain()
        if request.ending == "half-close":
            writer.write_eof()
        if request.ending in ("half-close", "wait"):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reader.readline()
        if request.ending == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return b""


async def test_a_thousand_malformed_requests_leave_it_answering(shared: Shared, client: Client) -> None:
    api = shared.apis[0]
    process = psutil.Process(api.pid)
    port = int(api.url.rpartition(":")[2])
    limit = asyncio.Semaphore(AT_ONCE)
    silent: list[bytes] = []

    async def send_one(request: Malformed) -> bytes:
        async with limit:
            try:
                return await send(request, port)
            except TimeoutError:
                silent.append(request.head[:80])
                return b""

    statuses = await asyncio.gather(*(send_one(request) for request in malformed_requests()))

    assert [status for status in statuses if status.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5"))] == []
    assert silent == []
    assert sum(status.startswith(b"HTTP/1.1 4") for status in statuses) > REQUESTS / 2
    session = new_session()
    assert (await client.ask(session_id=session, model="mock?tokens=20")).status_code == 202
    assert text_of(await client.read(session)) == numbered(20)

    def connections() -> list[str]:
        return sorted(c.status for c in process.net_connections("tcp") if c.laddr[1:2] == (port,))

    # The client's own may be there, or was closed as an idle one.
    await eventually(lambda: connections() in (["ESTABLISHED", "LISTEN"], ["LISTEN"]))
    assert "http.bug" not in api.output()
    assert "Traceback" not in api.output()
