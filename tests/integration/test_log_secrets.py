"""The logs of API and worker at their most talkative: no key, token or password, and nothing that was said."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.client import Client, new_session, types_of
from tests.integration.conftest import ALICE, BOB, KEYS, eventually
from tests.processes import Process
from tests.proxy import Proxy
from tests.stack import BROKER, Stack

pytestmark = pytest.mark.anyio

OPENAI_KEY = "sk-openai-nobody-may-read"
PASSWORD = "broker-password-nobody-may-read"
MESSAGE = "what the person said"
OPTION = "a stop word of the person"
ANSWER = "t000001"
"""The mock's answers are numbered from t000000 on."""


def logs_of(stack: Stack) -> str:
    mock, *ours = stack.processes
    assert mock.name == "mock"
    return "\n".join(process.output() for process in ours)


def assert_silent(stack: Stack, *tokens: str) -> None:
    text = logs_of(stack)
    for secret in (ALICE, BOB, OPENAI_KEY, PASSWORD, MESSAGE, OPTION, ANSWER, *tokens):
        found = [line for line in text.splitlines() if secret in line]
        assert not found, found[:3]
    password = urlsplit(BROKER).password
    assert password
    assert f":{password}@" not in text


def start(stack: Stack, **settings: Any) -> tuple[Client, Process]:
    talkative: dict[str, Any] = {"LOG_LEVEL": "debug", "API_KEYS": KEYS, "OPENAI_API_KEY": OPENAI_KEY, **settings}
    api = stack.start_api(access_log=True, **talkative)
    return Client(api.url, ALICE), stack.start_worker("--loglevel", "DEBUG", **talkative)


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_talk_of_all_kinds(stack: Stack, proxy: Proxy, log_format: str) -> None:
    client, worker = start(stack, RABBIT_MQ=proxy.url, LOG_FORMAT=log_format)
    async with client:
        session = new_session()
        asked = await client.ask(MESSAGE, session_id=session, model="mock?tokens=20", options={"stop": OPTION})
        url = asked.json()["stream_url"]
        token = url.partition("token=")[2]
        async with Client(str(client.http.base_url)) as stranger:
            assert (await stranger.http.get(url)).status_code == 200
            assert (await stranger.http.get(f"{url}x")).status_code == 401
            wrong = {"Authorization": f"Bearer {BOB}x"}
            assert (await stranger.http.get("/sessions", headers=wrong)).status_code == 401
        await client.show(session)
        assert (await client.ask(MESSAGE, mode="direct", model="mock?tokens=20")).status_code == 200
        assert (await client.http.post("/chat", json={"message": MESSAGE, "no": OPTION})).status_code == 422
        assert (await client.http.post("/chat", content=f'{{"message": "{MESSAGE}'.encode())).status_code == 422
        assert (await client.ask(MESSAGE * 5000)).status_code == 413
        for broken in ("status=401", "status=500", "drop_after=3", "garbage=json&garbage_after=2"):
            failing = new_session()
            await client.ask(MESSAGE, session_id=failing, model=f"mock?tokens=20&{broken}")
            await client.until(failing, "done", "error")
        proxy.cut()
        again = new_session()
        await client.ask_until_accepted(MESSAGE, session_id=again, model="mock?tokens=20")
        assert types_of(await client.read(again))[-1] == "done"
        await client.http.delete(f"/sessions/{session}")
    text = logs_of(stack)
    assert token
    assert "turn.end" in text
    assert f"GET /stream/{session} HTTP" in text
    assert_silent(stack, token, token[:40])
    if log_format == "json":
        assert [line for line in worker.output().splitlines() if line.startswith("{") and json.loads(line)]


async def test_a_broker_that_refuses_the_password(stack: Stack) -> None:
    parts = urlsplit(BROKER)
    wrong = parts._replace(netloc=f"hopstream:{PASSWORD}@{parts.hostname}:{parts.port or 5672}").geturl()
    settings: dict[str, Any] = {"LOG_LEVEL": "debug", "API_KEYS": KEYS, "RABBIT_MQ": wrong}
    api = stack.start_api(ready=False, access_log=True, **settings)
    worker = stack.launch_worker("--loglevel", "DEBUG", **settings)
    await eventually(lambda: "broker.failed" in api.output())
    await eventually(lambda: "ACCESS_REFUSED" in worker.output())
    assert_silent(stack)


async def test_a_database_that_fails(stack: Stack) -> None:
    """Its errors quote the statement, and would quote what was to be stored."""
    client, _ = start(stack)
    async with client:
        await client.ask(MESSAGE, mode="direct", model="mock?tokens=20")
        for file in stack.home.glob("test.db*"):
            file.write_bytes(b"this is no database" * 1000)
        failed = await client.ask(MESSAGE, mode="direct", model="mock?tokens=20")
        assert failed.status_code >= 500
    await eventually(lambda: "malformed" in logs_of(stack) or "not a database" in logs_of(stack))
    assert_silent(stack)
