"""The page of streams on a real stack: every answer as it is written, whoever asked for it and however it travels."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewContext, Site, start_site
from tests.browser.streams_page import StreamsPage
from tests.client import new_session, numbered
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT

ALICE = "alice-3b1f0c77d5e2"
TOLD = 20
"""Answers at the same time, half of each mode."""


@pytest.fixture(scope="module")
def guarded(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with start_site(tmp_path_factory.mktemp("guarded-streams"), API_KEYS=f"alice:{ALICE}", ENV="production") as site:
        yield site


@pytest.fixture
def goal() -> str:
    """Of this test alone; a slash and more, as goals of people's may have."""
    return f"plan/Ü {new_session()}?&#%"


def ask(site: Site, message: str = "Count for me", *, key: str = "", **fields: Any) -> str:
    """Its session. In direct mode it returns when the answer has ended."""
    session = new_session()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"message": message, "session_id": session, **fields}
    response = httpx.post(f"{site.api.url}/chat", json=body, headers=headers, timeout=PATIENCE_SECONDS)
    response.raise_for_status()
    return session


@contextmanager
def asking_directly(site: Site, count: int, **fields: Any) -> Iterator[list[Future[str]]]:
    with ThreadPoolExecutor(count) as pool:
        yield [pool.submit(ask, site, mode="direct", **fields) for _ in range(count)]


def test_streams_of_both_modes_are_seen_to_their_end(page: Page, site: Site, goal: str) -> None:
    streams = StreamsPage(page).open(site.api.url, goal)
    with site.holding(50):
        for _ in range(TOLD // 2):
            ask(site, goal_id=goal)
        with asking_directly(site, TOLD // 2, goal_id=goal):
            streams.expect_counts(all=TOLD, streaming=TOLD)
            expect(streams.get("stream-text").filter(has_text="t000049").first).to_be_visible()
            site.stack.release("page")
    streams.expect_counts(all=TOLD, completed=TOLD, streaming=0)
    for index in (0, TOLD - 1):
        card = streams.get("stream").nth(index)
        card.scroll_into_view_if_needed()
        expect(card.get_by_test_id("stream-text")).to_have_text(numbered(150))
        expect(card.get_by_test_id("question")).to_have_text("Count for me")


def test_who_comes_late_sees_what_was_said_before(page: Page, site: Site, goal: str) -> None:
    with site.holding(50):
        ask(site, goal_id=goal)
        streams = StreamsPage(page).open(site.api.url, goal)
        expect(streams.get("stream-text")).to_contain_text("t000000 ")
        expect(streams.get("stream-text")).to_contain_text("t000049 ")
        page.reload()
        expect(streams.get("stream-text")).to_contain_text("t000049 ")
    expect(streams.get("stream-text")).to_have_text(numbered(150))
    expect(streams.get("stream")).to_have_count(1)


def test_a_goal_s_page_shows_that_goal_alone_with_its_parts(page: Page, site: Site, goal: str) -> None:
    other = f"other-{new_session()}"
    ask(site, goal_id=goal, work_item_id="item/1", run_id="run 1")
    ask(site, goal_id=goal, work_item_id="item/1", run_id="run 2")
    ask(site, goal_id=other)
    streams = StreamsPage(page).open(site.api.url)
    streams.card(goal).first.get_by_role("link", name=f"Goal {goal}").click()
    streams.wait_until_live()
    expect(streams.get("title")).to_have_text(f"Goal {goal}")
    streams.expect_counts(all=2, completed=2)
    parts = streams.get("goal-view").locator("tbody tr")
    expect(parts).to_have_count(2)
    parts.filter(has_text="run 2").get_by_role("link", name="run 2").click()
    streams.expect_counts(all=1)
    page.go_back()
    streams.expect_counts(all=2)
    streams.get("all-streams").click()
    expect(streams.card(other)).to_have_count(1)


def test_filters_are_in_the_address(page: Page, site: Site, goal: str) -> None:
    failed = ask(site, "Fail, please", goal_id=goal, model="mock?status=400")
    ask(site, "Count apples", goal_id=goal, model="mock?tokens=5")
    streams = StreamsPage(page).open(site.api.url, goal)
    streams.expect_counts(all=2, completed=1, error=1)
    streams.get("count-error").click()
    expect(streams.get("stream")).to_have_count(1)
    expect(streams.get("stream")).to_have_attribute("data-request-id", f"{failed}.1")
    expect(page).to_have_url(re.compile("status=error"))
    page.reload()
    expect(streams.get("stream")).to_have_count(1)
    streams.get("count-all").click()
    streams.get("filter-text").fill("apples")
    expect(streams.get("stream")).to_have_count(1)
    streams.get("filter-text").fill("nobody asked for this")
    expect(streams.get("no-match")).to_be_visible()
    page.go_back()
    expect(streams.get("stream")).to_have_count(2)
    streams.get("filter-model").select_option("mock?tokens=5")
    expect(streams.get("stream")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(streams.get("stream")).to_have_count(2)
    page.get_by_test_id("title").click()
    page.keyboard.press("/")
    expect(streams.get("filter-text")).to_be_focused()


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_a_stream_can_be_cancelled(page: Page, site: Site, goal: str, mode: str) -> None:
    streams = StreamsPage(page).open(site.api.url, goal)
    with site.holding(50), ThreadPoolExecutor(1) as pool:
        pool.submit(ask, site, goal_id=goal, mode=mode)
        expect(streams.get("stream-text")).to_contain_text("t000010")
        cancel = streams.get("cancel-stream")
        cancel.focus()
        cancel.press("Enter")
        streams.expect_status(streams.get("stream"), "cancelled")
    expect(streams.get("stream")).to_be_focused()
    expect(cancel).to_be_hidden()
    streams.expect_counts(cancelled=1)


def test_an_error_is_told_on_its_card(page: Page, site: Site, goal: str) -> None:
    streams = StreamsPage(page).open(site.api.url, goal)
    ask(site, goal_id=goal, model="mock?status=400")
    streams.expect_status(streams.get("stream"), "error")
    expect(streams.get("stream-status")).to_have_text("Error")
    expect(streams.get("stream-error")).to_contain_text("400")


def test_a_stream_leads_to_its_chat_and_back(page: Page, site: Site, goal: str) -> None:
    session = ask(site, goal_id=goal)
    streams = StreamsPage(page).open(site.api.url, goal)
    streams.get("open-in-chat").click()
    expect(page).to_have_url(f"{site.api.url}/#{session}")
    expect(streams.get("message-assistant")).to_have_attribute("data-status", "done")
    streams.get("open-streams").click()
    expect(page).to_have_url(f"{site.api.url}/streams")
    streams.wait_until_live()


def test_the_details_tell_where_the_time_went(page: Page, site: Site, goal: str) -> None:
    ask(site, goal_id=goal)
    streams = StreamsPage(page).open(site.api.url, goal)
    streams.expect_counts(completed=1)
    streams.get("stream-details").locator("summary").click()
    for phase in ("Queue", "First token", "Streaming"):
        expect(streams.get("phases").get_by_role("row", name=phase)).to_contain_text("s")


def test_it_goes_on_by_itself_after_a_restart_of_the_api(page: Page, site: Site, goal: str) -> None:
    api = site.stack.start_api()
    port = int(api.url.rpartition(":")[2])
    streams = StreamsPage(page).open(api.url, goal)
    with site.holding(50):
        ask(site, "The long one", goal_id=goal)
        expect(streams.card("The long one").get_by_test_id("stream-text")).to_contain_text("t000049")
        api.kill()
        expect(streams.get("live-banner")).to_be_visible()
        ask(site, "Meanwhile", goal_id=goal, model="mock?tokens=5")
        site.stack.start_api(port=port)
        streams.wait_until_live()
        expect(streams.get("live-banner")).to_contain_text("Live again")
        expect(streams.card("Meanwhile")).to_have_attribute("data-status", "completed")
    streams.expect_counts(all=2, completed=2)
    expect(streams.card("The long one").get_by_test_id("stream-text")).to_have_text(numbered(150))


def test_what_ended_while_it_was_not_connected_is_known(page: Page, site: Site, goal: str) -> None:
    api = site.stack.start_api()
    port = int(api.url.rpartition(":")[2])
    streams = StreamsPage(page).open(api.url, goal)
    with site.holding(50):
        session = ask(site, goal_id=goal)
        expect(streams.get("stream-text")).to_contain_text("t000049")
        api.kill()
        expect(streams.get("live-banner")).to_be_visible()
    until_done(site, session)
    site.stack.start_api(port=port)
    streams.expect_status(streams.get("stream"), "completed")
    expect(streams.get("stream-text")).to_have_text(numbered(150))


def until_done(site: Site, session: str) -> None:
    """Reads its stream to the end."""
    httpx.get(f"{site.api.url}/stream/{session}", timeout=PATIENCE_SECONDS).raise_for_status()


def test_it_asks_for_a_key_and_shows_what_that_key_may_see(page: Page, guarded: Site, goal: str) -> None:
    streams = StreamsPage(page)
    page.goto(f"{guarded.api.url}/streams")
    expect(streams.get("key-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(streams.get("live-banner")).to_contain_text("key")
    streams.get("retry-now").click()
    streams.get("api-key").fill(ALICE)
    streams.get("use-key").click()
    streams.wait_until_live()
    ask(guarded, key=ALICE, goal_id=goal)
    streams.expect_status(streams.card(goal), "completed")
    page.reload()
    streams.wait_until_live()
    expect(streams.card(goal)).to_have_count(1)


def test_who_gives_no_key_is_not_asked_again_by_what_was_under_way(page: Page, guarded: Site) -> None:
    held: list[Route] = []
    page.route("**/turns?*", lambda route: held.append(route))
    streams = StreamsPage(page)
    page.goto(f"{guarded.api.url}/streams")
    expect(streams.get("key-dialog")).to_be_visible()  # for the connection
    page.keyboard.press("Escape")
    expect(streams.get("key-dialog")).to_be_hidden()
    held[0].continue_()
    expect(streams.get("history-problem")).to_be_visible()
    expect(streams.get("key-dialog")).to_be_hidden()


def test_it_works_under_a_prefix(page: Page, site: Site, goal: str) -> None:
    with site.stack.as_before():
        api = site.stack.start_api(ROOT_PATH="/our/chat")
        streams = StreamsPage(page).open(f"{api.url}/our/chat", goal)
        ask(site, goal_id=goal)
        streams.expect_counts(completed=1)
        streams.get("all-streams").click()
        streams.wait_until_live()
        expect(streams.card(goal)).to_have_count(1)
        streams.get("open-chat").click()
        streams.get("open-streams").click()
        streams.wait_until_live()


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_needs_no_sideways_scroll(new_context: NewContext, site: Site, width: int) -> None:
    goal = "unbroken" * 12 + new_session()
    context = new_context(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    ask(site, "word" * 80, goal_id=goal, work_item_id="item" * 20, run_id="run" * 30)
    for page_goal in (None, goal):
        streams = StreamsPage(context.new_page()).open(site.api.url, page_goal)
        card = streams.get("stream").first
        card.get_by_test_id("stream-details").locator("summary").click()
        assert streams.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_empty_page_tells_how_to_fill_it(page: Page, site: Site, goal: str) -> None:
    streams = StreamsPage(page).open(site.api.url, goal)
    expect(streams.get("empty")).to_be_visible()
    expect(streams.get("empty")).to_contain_text("goal_id")
    ask(site, goal_id=goal)
    expect(streams.get("empty")).to_be_hidden()
    expect(streams.get("stream")).to_have_count(1)


def test_it_works_as_a_file_where_the_api_allows_it(new_context: NewContext, site: Site, goal: str) -> None:
    api = site.stack.start_api(CORS_ORIGINS="null")
    streams = StreamsPage(new_context().new_page())
    ask(site, goal_id=goal)
    streams.page.goto(f"{(ROOT / 'web' / 'streams.html').as_uri()}?{urlencode({'api': api.url, 'goal': goal})}")
    streams.wait_until_live()
    expect(streams.get("stream")).to_have_count(1)
