"""The page of logs and its gateway: away and back, with a key, alerts, what is missing, what there is to do."""

import re
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.log_gateway import LogGateway
from tests.browser.log_lines import iso
from tests.browser.logs_page import LogsPage

KEY = "operator-3b1f0c77d5e2"


def test_it_goes_on_without_holes_and_doubles_when_the_gateway_is_back(page: Page, gateway: LogGateway) -> None:
    gateway.say("one")
    logs = LogsPage(page).open(gateway.url)
    gateway.say("two")
    expect(logs.row("two")).to_be_visible()
    gateway.stop()
    expect(logs.get("live-banner")).to_contain_text("cannot be reached")
    expect(logs.get("live-countdown")).to_have_text(re.compile(r"Reconnecting in \d+ s\."))
    expect(logs.get("light-live")).to_contain_text("Offline")
    said = [gateway.say(f"meanwhile {number}") for number in range(3)]
    gateway.start()
    logs.get("retry-now").click()
    expect(logs.row("meanwhile 2")).to_be_visible()
    logs.expect_texts("one", "two", "meanwhile 0", "meanwhile 1", "meanwhile 2")
    asked = [query.get("last_event_id") for query in gateway.asked_for("/stream")]
    assert asked[0] is None
    assert asked[-1] not in (None, *said)
    assert len(gateway.asked_for("/history")) == 1 + sum(
        "limit" in query and query["limit"] == "1" for query in gateway.asked_for("/history")
    )
    expect(logs.get("live-banner")).to_be_hidden()


def test_a_page_opened_while_the_gateway_was_away_fills_itself(page: Page, gateway: LogGateway) -> None:
    gateway.say("one")
    page.route("**/stream?*", lambda route: route.abort())
    page.route("**/history?*", lambda route: route.abort())
    page.goto(gateway.url)
    logs = LogsPage(page)
    expect(logs.get("empty")).to_contain_text("The log gateway is away")
    page.unroute("**/stream?*")
    page.unroute("**/history?*")
    logs.wait_until_live()
    logs.expect_texts("one")


def test_lines_that_came_while_history_was_read_are_there_once(page: Page, gateway: LogGateway) -> None:
    gateway.say("before")
    gateway.history_held = threading.Event()
    page.goto(gateway.url)
    logs = LogsPage(page)
    expect(logs.get("light-live")).to_have_attribute("data-state", "streaming")
    for _ in range(100):
        if gateway.asked_for("/history"):
            break
        page.wait_for_timeout(50)
    gateway.say("in between")
    gateway.history_held.set()
    logs.expect_texts("before", "in between")


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_gap_is_told_where_it_is(page: Page, gateway: LogGateway, is_kept: bool) -> None:
    gateway.say("one")
    logs = LogsPage(page).open(gateway.url)
    gateway.stop()
    expect(logs.get("light-live")).to_contain_text("Offline")
    gateway.trimmed = 4
    gateway.say_all([{"message": f"gone {number}"} for number in range(3)])
    if is_kept:
        gateway.archive = gateway.lines[1:4]
    gateway.say("still there")
    gateway.start()
    expect(logs.row("still there")).to_be_visible()
    expect(logs.row("3 lines are missing here: Redis keeps no more")).to_be_visible()
    expect(logs.get("bar-missing")).to_have_text("3 missing")
    if is_kept:
        expect(logs.row("3 were read from the archive")).to_be_visible()
        expect(logs.rows).to_have_count(6)
    else:
        expect(logs.rows).to_have_count(3)
    texts = logs.texts()
    assert (texts[0], texts[-1]) == ("one", "still there")
    assert "missing here" in texts[1]


def test_skipped_and_lost_lines_are_told_and_counted(page: Page, gateway: LogGateway) -> None:
    gateway.say("one")
    logs = LogsPage(page).open(gateway.url)
    gateway.tell("skipped", {"lines": 8_000})
    gateway.tell("skipped", {"lines": 500})
    gateway.say("two")
    gateway.say("1 lines of api are lost", service="llm-streamer-gateway", fields={"lost": 1})
    expect(logs.rows).to_have_count(4)
    texts = logs.texts()
    assert texts[1].startswith("8,500 lines are skipped here")
    expect(logs.get("bar-missing")).to_have_text("8,500 skipped, 1 lost")


def test_redis_is_told_of(page: Page, gateway: LogGateway) -> None:
    gateway.say("one")
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("bar-redis")).to_have_text("Redis up · 12.3 MB of 256 MB · 1 line")
    gateway.tell_status(memory_bytes=260_000_000)
    expect(logs.get("bar-redis")).to_have_class("bar-bad")
    gateway.tell_status(redis="away", archiver=False)
    expect(logs.get("bar-redis")).to_have_text("Redis away")
    expect(logs.get("bar-archive")).to_have_text("No archiver")
    gateway.tell_status(redis="up", archiver=True, archive="no room", memory_bytes=1_000)
    expect(logs.get("bar-archive")).to_have_text("Not archived: no room")
    expect(logs.row("Redis is up again")).to_be_visible()
    expect(logs.row("Redis is away")).to_be_visible()
    expect(logs.get("bar-redis")).not_to_have_class("bar-bad")


def test_an_alert_fires_and_resolves(page: Page, gateway: LogGateway) -> None:
    alert = {"name": "ManyErrors", "since": iso(time.time() - 90), "service": "worker", "text": "12 errors in 60 s"}
    gateway.say("one", service="worker")
    gateway.say("two", service="api")
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("alerts")).to_be_hidden()
    gateway.tell_alerts(alert)
    expect(logs.get("alert")).to_have_text(re.compile("ManyErrors12 errors in 60 sworkerfor \\d+ min"))
    expect(logs.get("announcer")).to_contain_text("Alert: ManyErrors")
    gateway.tell_alerts()
    expect(logs.get("alerts")).to_be_hidden()
    expect(logs.get("announcer")).to_contain_text("Resolved: ManyErrors")
    gateway.tell_alerts(alert)
    logs.get("alert").get_by_role("button", name="worker").click()
    logs.wait_until_loaded()
    logs.expect_texts("one")
    page.reload()
    logs.wait_until_live()
    expect(logs.get("alert")).to_have_count(1)
    logs.expect_texts("one")


def test_it_asks_for_the_key_once_and_keeps_it_for_the_tab(page: Page) -> None:
    with LogGateway(KEY) as gateway:
        gateway.say("secret")
        page.goto(gateway.url)
        logs = LogsPage(page)
        expect(logs.get("key-dialog")).to_be_visible()
        expect(logs.get("log-key")).to_be_focused()
        logs.get("use-key").click()
        expect(logs.get("key-error")).to_have_text("Please enter a key.")
        logs.get("log-key").fill("wrong")
        logs.get("use-key").click()
        expect(logs.get("key-error")).to_have_text("This key is not accepted.")
        page.keyboard.press("Escape")
        expect(logs.get("empty")).to_contain_text("These logs need a key")
        expect(logs.get("live-banner")).to_contain_text("need a key")
        logs.get("retry-now").click()
        logs.get("log-key").fill(KEY)
        logs.get("log-key").press("Enter")
        logs.expect_texts("secret")
        expect(logs.get("key-dialog")).to_be_hidden()
        page.reload()
        logs.wait_until_live()
        logs.expect_texts("secret")
        assert KEY not in str(gateway.asked)
        assert "key" not in page.evaluate("JSON.stringify(localStorage)")
        logs.get("open-settings").click()
        logs.get("forget-key").click()
        expect(logs.get("key-dialog")).to_be_visible()
        expect(logs.rows).to_have_count(0)


def test_a_key_that_is_taken_away_is_asked_for_again(page: Page) -> None:
    with LogGateway(KEY) as gateway:
        page.goto(gateway.url)
        logs = LogsPage(page)
        logs.get("log-key").fill(KEY)
        logs.get("use-key").click()
        logs.wait_until_live()
        gateway.stop()
        gateway.key = "another-key"
        gateway.start()
        expect(logs.get("key-error")).to_have_text("The key of this tab is not accepted (any more).")


def test_an_empty_page_says_what_to_try_and_what_is_missing(page: Page, gateway: LogGateway) -> None:
    gateway.status["archiver"] = False
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("empty")).to_contain_text('redis-cli publish logs "Test message"')
    checks = logs.get("checks").locator("li")
    expect(checks).to_have_text(
        [
            re.compile(f"Gateway.*{re.escape(gateway.url)}"),
            re.compile("Redis.*is up"),
            re.compile("Archiver.*none"),
            re.compile("Collector.*nothing heard of it"),
        ]
    )
    assert [item.get_attribute("data-fine") for item in checks.all()] == ["true", "true", "false", "false"]
    gateway.tell_status(redis="away")
    expect(logs.get("empty")).to_contain_text("Redis is away")
    gateway.tell_status(redis="up")
    gateway.say("Test message", service="redis", via="publish")
    expect(logs.get("empty")).to_be_hidden()
    logs.find("nothing like this")
    expect(logs.get("empty")).to_contain_text("No line matches")
    logs.get("empty").get_by_role("button", name="Clear the filters").click()
    expect(logs.row("Test message")).to_be_visible()


@pytest.mark.parametrize("key", ["", KEY])
def test_what_is_filtered_is_downloaded(new_context: NewContext, key: str, tmp_path: Path) -> None:
    with LogGateway(key) as gateway:
        gateway.say("one", level="error")
        gateway.say("two", level="info")
        page = new_context(timezone_id="Europe/Berlin").new_page()
        page.goto(f"{gateway.url}/?level=error")
        logs = LogsPage(page)
        if key:
            logs.get("log-key").fill(key)
            logs.get("use-key").click()
        logs.wait_until_live()
        for kind, zone in (("text", "Europe/Berlin"), ("jsonl", "UTC")):
            if zone == "UTC":
                logs.get("zone").click()
            logs.get("download-menu").locator("summary").click()
            with page.expect_download() as downloading:
                logs.get(f"download-{kind}").click()
            downloading.value.save_as(tmp_path / kind)
            text = (tmp_path / kind).read_text()
            assert ("one" in text, "two" in text) == (True, False)
            asked = gateway.asked_for("/export")[-1]
            assert (asked["format"], asked["level"], asked["zone"]) == (kind, "error", zone)


def test_models_are_summed_up(page: Page, gateway: LogGateway) -> None:
    logs = LogsPage(page).open(gateway.url)
    page.keyboard.press("c")
    expect(logs.get("totals")).to_contain_text("No turn has ended")
    figures = {"input_tokens": 120_345, "output_tokens": 99, "first_token_seconds": 0.312, "tokens_per_second": None}
    gateway.models = [{"model": "<b>gpt</b>", "turns": 12, **figures}]
    page.keyboard.press("c")
    page.keyboard.press("c")
    expect(logs.get("totals").locator("tbody tr")).to_have_text("<b>gpt</b>12120,34599-0.31 s")
