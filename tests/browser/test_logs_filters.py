"""Filters of the log lines: in the address, applied by the gateway to what comes and to what was."""

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from tests.browser.log_gateway import LogGateway
from tests.browser.logs_page import LogsPage


@pytest.fixture
def logs(page: Page, gateway: LogGateway) -> LogsPage:
    """With two services, three levels, two requests."""
    gateway.say("GET /chat", service="api", level="info", fields={"request_id": "r1", "session_id": "s1"})
    gateway.say(
        "no answer",
        service="worker",
        level="error",
        channel="logs:errors",
        fields={"request_id": "r1", "session_id": "s1"},
    )
    gateway.say("GET /turns", service="api", level="info", fields={"request_id": "r2", "session_id": "s1"})
    gateway.say("cache is cold", service="worker", level="debug", channel="logs:debug")
    return LogsPage(page).open(gateway.url)


def address(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def test_a_word_filters_what_was_and_what_comes(page: Page, logs: LogsPage, gateway: LogGateway) -> None:
    logs.find("get /")
    logs.expect_texts("GET /chat", "GET /turns")
    gateway.say("nobody waits for this")
    gateway.say("GET /late")
    logs.expect_texts("GET /chat", "GET /turns", "GET /late")
    expect(logs.row("late").locator("mark")).to_have_text("GET /")
    assert gateway.asked_for("/stream")[-1]["q"] == "get /"
    assert gateway.asked_for("/stream")[-1]["rate"] == "2000"
    assert address(page) == {"q": ["get /"]}


def test_a_word_deep_in_a_stack_trace_is_found_there(page: Page, gateway: LogGateway) -> None:
    gateway.say("it failed\nTraceback:\n  the cause", level="error")
    logs = LogsPage(page).open(gateway.url, "?q=cause")
    expect(logs.row("it failed").locator(".has-match")).to_have_text("+2 lines")
    logs.row("it failed").click()
    expect(logs.get("whole-text").locator("mark")).to_have_text("cause")


def test_earlier_lines_that_cannot_be_read_hold_up_no_new_ones(page: Page, gateway: LogGateway) -> None:
    problem = {"status": 500, "json": {"detail": "The archive is broken"}}
    page.route("**/history?*", lambda route: route.fulfill(**problem))
    page.goto(gateway.url)
    logs = LogsPage(page)
    expect(logs.get("empty")).to_contain_text("The archive is broken. New lines")
    gateway.say("new")
    expect(logs.row("new")).to_be_visible()
    expect(logs.get("list-top")).to_contain_text("The archive is broken")
    gateway.lines.insert(0, {**gateway.lines[0], "id": "1-1", "message": "old"})
    page.unroute("**/history?*")
    logs.get("list-top").get_by_role("button").click()
    logs.expect_texts("old", "new")


def test_level_service_and_channel_filter(page: Page, logs: LogsPage, gateway: LogGateway) -> None:
    logs.get("filter-level").select_option("info")
    logs.expect_texts("GET /chat", "no answer", "GET /turns")
    logs.choose("filter-service", "worker")
    logs.expect_texts("no answer")
    expect(logs.get("filter-service").locator("summary")).to_have_text("worker")
    logs.choose("filter-service", "api")
    logs.choose("filter-channel", "logs", "logs:debug")
    logs.expect_texts("GET /chat", "GET /turns")
    assert address(page) == {"level": ["info"], "service": ["api", "worker"], "channel": ["logs", "logs:debug"]}
    page.reload()
    logs.wait_until_live()
    logs.expect_texts("GET /chat", "GET /turns")
    logs.get("clear-filters").click()
    expect(logs.rows).to_have_count(4)
    assert address(page) == {}


def test_back_goes_back_one_filter_at_a_time(page: Page, logs: LogsPage) -> None:
    logs.get("filter-text").press_sequentially("GET /turns", delay=10)
    logs.expect_texts("GET /turns")
    logs.get("filter-level").select_option("error")
    expect(logs.get("empty")).to_contain_text("No line matches")
    page.go_back()
    logs.expect_texts("GET /turns")
    page.go_back()
    expect(logs.rows).to_have_count(4)
    expect(logs.get("filter-text")).to_have_value("")
    page.go_forward()
    logs.expect_texts("GET /turns")


def test_a_pattern_filters_and_a_bad_one_is_told(page: Page, logs: LogsPage) -> None:
    logs.get("filter-regex").click()
    logs.find("^GET .*s$")
    logs.expect_texts("GET /turns")
    expect(logs.row("turns").locator("mark")).to_have_text("GET /turns")
    logs.find("(GET")
    expect(logs.get("filter-problem")).to_contain_text("missing )")
    expect(logs.get("filter-text")).to_have_attribute("aria-invalid", "true")
    logs.find("(GET)")
    expect(logs.get("filter-problem")).to_be_hidden()
    logs.expect_texts("GET /chat", "GET /turns")


def test_a_pattern_that_takes_for_ever_stops_nothing(page: Page, gateway: LogGateway) -> None:
    """The gateway's RE2 takes it as it is; a browser's would run for longer than the universe is old."""
    gateway.say("a" * 64 + "!")
    logs = LogsPage(page).open(gateway.url, "?mode=highlight&regex=(a%2B)%2B%24")
    expect(logs.get("announcer")).to_contain_text("takes too long")
    gateway.say("still alive")
    expect(logs.row("still alive")).to_be_in_viewport()


def test_highlighting_hides_no_line_and_leads_from_match_to_match(
    page: Page, logs: LogsPage, gateway: LogGateway
) -> None:
    logs.find("GET")
    logs.get("filter-mode").click()
    logs.wait_until_loaded()
    expect(logs.rows).to_have_count(4)
    expect(logs.list.locator("mark")).to_have_count(2)
    assert "q" not in gateway.asked_for("/stream")[-1]
    assert address(page) == {"q": ["GET"], "mode": ["highlight"]}
    logs.list.focus()
    page.keyboard.press("N")
    expect(page.locator(".is-selected")).to_contain_text("GET /turns")
    page.keyboard.press("N")
    expect(page.locator(".is-selected")).to_contain_text("GET /chat")
    page.keyboard.press("N")
    expect(logs.get("announcer")).to_have_text("No further match here")
    page.keyboard.press("n")
    expect(page.locator(".is-selected")).to_contain_text("GET /turns")
    page.keyboard.press("E")
    expect(page.locator(".is-selected")).to_contain_text("no answer")


def test_a_search_goes_through_all_of_the_history(page: Page, gateway: LogGateway) -> None:
    gateway.say("the needle")
    gateway.say_all([{"message": f"hay {number}"} for number in range(9_000)])
    logs = LogsPage(page).open(gateway.url, "?q=needle")
    logs.expect_texts("the needle")
    expect(logs.get("list-top")).to_contain_text("The first line")


def test_times_are_set_in_the_chosen_zone(page: Page, gateway: LogGateway) -> None:
    for hour in range(3):
        gateway.say(f"hour {hour}", time=f"2026-11-29T0{hour}:30:00Z")
    logs = LogsPage(page).open(gateway.url)
    logs.get("zone").click()
    expect(logs.get("zone")).to_have_text("UTC")
    logs.get("filter-time").locator("summary").click()
    logs.get("filter-since").fill("2026-11-29T01:00:00")
    logs.expect_texts("hour 1", "hour 2")
    logs.get("filter-until").fill("2026-11-29T02:00:00")
    logs.expect_texts("hour 1")
    assert address(page) == {"since": ["2026-11-29T01:00:00.000Z"], "until": ["2026-11-29T02:00:00.000Z"]}
    assert "since" not in gateway.asked_for("/stream")[-1]
    page.get_by_text("Any time", exact=True).last.click()
    expect(logs.rows).to_have_count(3)


def test_lines_of_a_request_and_of_a_session_are_seen_together(page: Page, logs: LogsPage) -> None:
    logs.row("no answer").click()
    logs.get("same-request").click()
    logs.expect_texts("GET /chat", "no answer")
    expect(logs.get("filter-request")).to_contain_text("r1")
    assert address(page) == {"request": ["r1"]}
    logs.row("GET /chat").click()
    logs.get("same-session").click()
    logs.expect_texts("GET /chat", "no answer", "GET /turns")
    logs.get("filter-session").get_by_role("button").click()
    expect(logs.rows).to_have_count(4)


def test_what_was_said_around_a_line_has_an_address(page: Page, gateway: LogGateway) -> None:
    gateway.say_all([{"message": f"before {number}"} for number in range(600)])
    here = gateway.say("here it went wrong", level="error")
    gateway.say_all([{"message": f"after {number}"} for number in range(600)])
    logs = LogsPage(page).open(gateway.url, "?level=error")
    logs.expect_texts("here it went wrong")
    logs.row("here").click()
    logs.get("around").click()
    expect(logs.row("before 599")).to_be_in_viewport()
    expect(logs.row("after 0")).to_be_in_viewport()
    assert address(page) == {"at": [here]}
    gateway.say("much later")
    page.reload()
    logs.wait_until_live()
    expect(page.locator(".is-selected")).to_contain_text("here it went wrong")
    expect(logs.get("bar-mode")).to_have_text("Around a line")
    logs.get("close-panel").or_(logs.list).first.focus()
    for _ in range(4):
        logs.scroll(20_000)
        page.wait_for_timeout(50)
    expect(logs.row("much later")).to_be_in_viewport()
    gateway.say("and after that")
    page.keyboard.press("End")
    expect(logs.row("and after that")).to_be_in_viewport()


def test_dragging_over_the_chart_chooses_a_time(page: Page, logs: LogsPage) -> None:
    page.keyboard.press("c")
    expect(logs.get("chart")).to_have_accessible_name(re.compile("1 errors, 2 info, 1 debug"))
    box = page.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("since=.*until="))
    expect(logs.get("empty")).to_contain_text("No line matches")
