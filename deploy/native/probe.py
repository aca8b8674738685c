"""What run.sh asks of the network. A fresh machine has neither curl nor ss, but it has Python.

probe.py amqp [SECONDS [PID]]   does RabbitMQ answer, at the latest after SECONDS and as long as PID lives?
probe.py listen HOST PORT       can a server listen there?
probe.py free-port FIRST        prints the first free port of the loopback address from FIRST on
probe.py redis [SECONDS [PID]]  does the Redis of REDIS_URL answer? as amqp
probe.py dashboard HOST PORT    does the log dashboard answer, and see its Redis?
probe.py health HOST PORT       prints what the API says of itself: status provider workers broker store model

From the environment, which other users cannot read: BROKER_URL is the RabbitMQ that is meant, RABBIT_MQ_CA verifies an
amqps URL, and the first key of API_KEYS asks the API.

Exit code 1 is a no; what was printed says why, as the end of a sentence.
"""

import asyncio
import errno
import http.client
import json
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ATTEMPT_SECONDS = 5.0
RETRY_SECONDS = 0.25
PORTS_TRIED = 200
COMMAND_CHARS = 60
LISTENING = "0A"  # include/net/tcp_states.h, as /proc/net/tcp shows it


_ENGINE = {
    "loading": " (it is being loaded; questions wait for it)",
    "stopped": " (it is loaded with the next question)",
    "failed": " (it CANNOT BE LOADED: data/logs/worker-1.log says why)",
}


class No(Exception):
    """The answer, with its reason."""


def amqp(seconds: str = "0", pid: str = "") -> str:
    return asyncio.run(_amqp(os.environ["BROKER_URL"], time.monotonic() + float(seconds), pid))


async def _amqp(url: str, deadline: float, pid: str) -> str:
    while (reason := await _refusal(url)) is not None:
        if pid and _has_ended(int(pid)):
            raise No("it ended at once")
        if time.monotonic() >= deadline:
            raise No(reason)
        await asyncio.sleep(RETRY_SECONDS)
    return ""


async def _refusal(url: str) -> str | None:
    logging.basicConfig(handlers=[logging.NullHandler()])  # the reason is told once, in our words
    import aio_pika  # not for the other questions: it is most of the start-up time

    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            tls = ssl.create_default_context(cafile=os.environ.get("RABBIT_MQ_CA") or None)
            connection = await aio_pika.connect(url, ssl_context=tls)
            await connection.close()
    except TimeoutError:
        return f"nothing answered within {ATTEMPT_SECONDS:g} s"
    except aio_pika.exceptions.ProbableAuthenticationError:
        return "RabbitMQ refuses this user and password"
    except (OSError, aio_pika.exceptions.AMQPError) as error:
        return f"RabbitMQ cannot be reached ({str(error) or type(error).__name__})"
    return None


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def listen(host: str, port: str) -> str:
    family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(address)
            server.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise No(f"is taken by {_listener(int(port)) or 'a program of another user'}") from error
            raise No(f"cannot be used ({error.strerror})") from error
    return ""


def _listener(port: int) -> str | None:
    """Who listens there, as far as this user may see."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(Path("/proc/net") / table):
            fields = line.split()
            if fields[3] == LISTENING and fields[1].endswith(f":{port:04X}"):
                inodes.add(f"socket:[{fields[9]}]")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found = os.readlink(descriptor) in inodes
        except OSError:
            continue  # it ended, or it is not ours to look at
        if found:
            process = descriptor.parent.parent
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
            return f"process {process.name} ({command[:COMMAND_CHARS]})"
    return None


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()[1:] if file.exists() else []


def free_port(first: str) -> str:
    for port in range(int(first), int(first) + PORTS_TRIED):
        try:
            listen("127.0.0.1", str(port))
        except No:
            continue
        return str(port)
    raise No(f"no port from {first} on is free")


def health(host: str, port: str) -> str:
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ATTEMPT_SECONDS)
    try:
        key = os.environ.get("API_KEYS", "").split(",")[0].partition(":")[2].strip()
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = json.loads(connection.getresponse().read())
        told = [str(answer[key]) for key in ("status", "provider", "workers", "broker", "store", "model")]
        return " ".join(told) + _ENGINE.get((answer.get("engines") or {}).get(answer["model"], ""), "")
    except (OSError, http.client.HTTPException) as error:
        raise No(f"the API does not answer ({error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise No("something answers that is not Hopstream") from error
    finally:
        connection.close()


def redis(seconds: str = "0", pid: str = "") -> str:
    from redis import Redis  # not while amqp is asked
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    deadline = time.monotonic() + float(seconds)
    with Redis.from_url(
        os.environ["REDIS_URL"], socket_connect_timeout=ATTEMPT_SECONDS, retry=Retry(NoBackoff(), 0)
    ) as client:
        while True:
            try:
                client.ping()
            except (RedisError, OSError) as error:
                if pid and _has_ended(int(pid)):
                    raise No("it ended at once") from error
                if time.monotonic() > deadline:
                    raise No(f"Redis cannot be reached ({error})") from error
                time.sleep(RETRY_SECONDS)
            else:
                return ""


def dashboard(host: str, port: str) -> str:
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ATTEMPT_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise No(f"the dashboard does not answer ({error})") from error
    finally:
        connection.close()
    if answer.get("redis") != "up":
        raise No("it does not see its Redis yet")
    return ""


QUESTIONS: dict[str, Callable[..., str]] = {
    "amqp": amqp,
    "listen": listen,
    "free-port": free_port,
    "redis": redis,
    "dashboard": dashboard,
    "health": health,
}


def main(arguments: Sequence[str]) -> int:
    question, *details = arguments
    try:
        answer = QUESTIONS[question](*details)
    except No as reason:
        sys.stdout.write(f"{reason}\n")
        return 1
    if answer:
        sys.stdout.write(f"{answer}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
