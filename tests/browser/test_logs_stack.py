"""The page of logs on its own gateway, a real Redis, and a stack that sends its lines there."""

import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import httpx
import pytest
from playwright.sync_api import Page, expect

from core.telemetry.log_stream.appender import Appender
from tests.browser.logs_page import LogsPage
from tests.logs.conftest import Gateways
from tests.logs.viewing import Gateway, line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer
from tests.stack import Stack

ALERTS = """
[[alert]]
name = "model fails"
text = "Look at the model."
service = ["model"]
level = "error"
count = 2
within_seconds = 3
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    home: Path = tmp_path_factory.mktemp("gateway")
    (home / "alerts.toml").write_text(ALERTS)
    with Gateways(home, redis) as gateways:
        yield gateways.start(LOG_ALERTS=str(home / "alerts.toml"))


@pytest.fixture
def appender(redis: RedisServer) -> Iterator[Appender]:
    appender = Appender(redis.url, 100_000)
    yield appender
    appender.close()


def test_one_request_is_followed_from_the_api_to_the_worker(
    broker: str, page: Page, gateway: Gateway, redis: RedisServer, tmp_path: Path
) -> None:
    with Stack(tmp_path, LOG_STREAM=redis.url) as stack:
        api = stack.start_api()
        stack.start_worker()
        logs = LogsPage(page).open(gateway.url)
        body = {"message": "hello", "model": "mock?tokens=5"}
        asked = httpx.post(f"{api.url}/chat", json=body, timeout=PATIENCE_SECONDS)
        logs.find(asked.headers["x-request-id"])
        logs.row("turn ended").first.click()
        expect(logs.get("panel")).to_contain_text(asked.json()["session_id"])
        logs.get("panel").get_by_role("button", name=re.compile("request", re.IGNORECASE)).first.click()
        expect(logs.row("turn queued")).to_be_visible()
        expect(logs.row("turn claimed")).to_be_visible()
        services = {text.split()[2] for text in logs.rows.all_inner_texts() if len(text.split()) > 2}
        assert any("api" in service for service in services)
        assert any("worker" in service for service in services)


def test_what_is_published_is_seen_found_and_paused(page: Page, gateway: Gateway, redis: RedisServer) -> None:
    for number in range(30):
        redis.publish("logs", f"before {number}")
    logs = LogsPage(page).open(gateway.url)
    redis.publish("logs", "Test message")
    expect(logs.row("Test message")).to_be_visible()
    logs.get("pause").click()
    redis.publish("logs", "while it is paused")
    expect(logs.get("new-lines")).to_be_visible()
    expect(logs.row("while it is paused")).to_be_hidden()
    logs.get("new-lines").click()
    expect(logs.row("while it is paused")).to_be_visible()
    logs.find("before 7")
    expect(logs.row("before 7")).to_be_visible()
    expect(logs.row("Test message")).to_have_count(0)


def test_a_stack_trace_opens(page: Page, gateway: Gateway, appender: Appender) -> None:
    logs = LogsPage(page).open(gateway.url)
    appender.append([line("it failed\nTraceback (most recent call last):\n  File x\nValueError: y", level="error")])
    logs.row("it failed").click()
    expect(logs.get("whole-text")).to_contain_text("ValueError: y")


def test_an_alert_fires_and_is_over(page: Page, gateway: Gateway, appender: Appender) -> None:
    logs = LogsPage(page).open(gateway.url)
    deadline = monotonic() + PATIENCE_SECONDS
    while not logs.get("alert").count() and monotonic() < deadline:  # on a busy machine too few are of three seconds
        appender.append([line("boom", "model", level="error"), line("boom", "model", level="error")])
        page.wait_for_timeout(300)
    expect(logs.get("alert")).to_contain_text("Look at the model.")
    expect(logs.get("alert")).to_have_count(0)


def test_a_redis_that_does_not_answer_is_shown(page: Page, gateway: Gateway, redis: RedisServer) -> None:
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("bar-redis")).to_contain_text("Redis up")
    redis.freeze()
    expect(logs.get("bar-redis")).to_contain_text("does not answer")
    redis.thaw()
    expect(logs.get("bar-redis")).to_contain_text("Redis up")
