"""The chat page to which something is said before it has loaded."""

import httpx
import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Site
from tests.client import get, new_session, numbered
from tests.patience import PATIENCE_SECONDS

POLL_MS = 20


@pytest.mark.parametrize("is_old", [False, True], ids=["told after it", "told before it"])
@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_what_is_sent_before_a_chat_has_loaded_comes_after_it(page: Page, site: Site, mode: str, is_old: bool) -> None:
    session = ask_directly(site, "The first question")
    url = f"{site.api.url}/sessions/{session}"
    before = get(url).text
    held: list[Route] = []
    page.route(url, lambda route: held.append(route))
    chat = ChatPage(page).open(f"{site.api.url}/#{session}")
    chat.choose(mode)
    chat.send("The second question")
    chat.wait_for_text("t000010")
    expect(chat.get("session-item")).to_have_text("The second question")  # the page knows no better yet
    for route in held:
        route.fulfill(body=before, content_type="application/json") if is_old else route.continue_()
    page.unroute(url)
    assert_both_are_shown(chat)
    chat.wait_until("done")
    assert_both_are_shown(chat)
    expect(chat.get("regenerate").last).to_be_visible()
    assert chat.text() == numbered(150)
    page.reload()
    expect(chat.answer).to_have_attribute("data-turn", "2")
    assert_both_are_shown(chat)


def test_a_message_on_its_way_is_shown_once_though_the_store_has_it(page: Page, site: Site) -> None:
    session = ask_directly(site, "The first question")
    loads: list[Route] = []
    accepted: list[tuple[Route, APIResponse]] = []
    page.route(f"{site.api.url}/sessions/{session}", lambda route: loads.append(route))
    page.route(f"{site.api.url}/chat", lambda route: accepted.append((route, route.fetch())))
    chat = ChatPage(page).open(f"{site.api.url}/#{session}")
    chat.send("The second question")
    while not accepted:
        page.wait_for_timeout(POLL_MS)
    for route in loads:
        route.continue_()
    expect(chat.page.locator("#title")).to_have_text("The first question")
    expect(chat.get("message-user")).to_have_count(2)
    for route, response in accepted:
        route.fulfill(response=response)
    page.unroute_all()
    chat.wait_until("done")
    assert_both_are_shown(chat)


def assert_both_are_shown(chat: ChatPage) -> None:
    expect(chat.get("message-user").locator(".bubble")).to_have_text(["The first question", "The second question"])
    expect(chat.get("regenerate").first).to_be_hidden()  # only the latest answer can be replaced
    expect(chat.get("session-item")).to_have_text("The first question")
    expect(chat.page.locator("#title")).to_have_text("The first question")


def test_a_message_in_a_chat_that_is_gone_begins_it_again(page: Page, site: Site) -> None:
    session = new_session()
    held: list[Route] = []
    page.route(f"**/sessions/{session}", lambda route: held.append(route))
    chat = ChatPage(page).open(f"{site.api.url}/#{session}")
    chat.send("Count for me")
    chat.wait_for_text("t000010")
    for route in held:
        route.fulfill(status=404, json={"code": "not_found", "detail": "gone"})
    page.unroute(f"**/sessions/{session}")
    chat.wait_until("done")
    assert chat.text() == numbered(150)
    assert page.evaluate("location.hash.slice(1)") == session


def ask_directly(site: Site, message: str) -> str:
    body = {"message": message, "mode": "direct", "model": "mock?tokens=5"}
    response = httpx.post(f"{site.api.url}/chat", json=body, timeout=PATIENCE_SECONDS)
    return response.raise_for_status().headers["x-session-id"]


def test_what_is_typed_before_the_page_is_ready_stays(page: Page, site: Site) -> None:
    held: list[Route] = []
    page.route("**/health", lambda route: held.append(route))
    page.goto(site.api.url)
    field = page.get_by_test_id("message-input")
    field.fill("Typed early")
    expect(page.locator("#composer")).to_have_attribute("aria-busy", "true")
    for route in held:
        route.continue_()
    page.unroute("**/health")
    expect(page.locator("#composer")).not_to_have_attribute("aria-busy", "true")
    expect(field).to_have_value("Typed early")
