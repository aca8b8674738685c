"""The chat page in a real Chromium: nothing lost, nothing doubled, whatever the person does."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Site
from tests.client import get, numbered

ANSWER = numbered(150)


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_a_message_is_answered_in_both_modes(page: Page, site: Site, mode: str) -> None:
    chat = ChatPage(page).open(site.api.url)
    chat.choose(mode)
    chat.send("Count for me")
    expect(chat.get("message-user").last).to_contain_text("Count for me")
    chat.wait_until("done")
    assert chat.text() == ANSWER


def test_a_reload_in_mid_answer_loses_nothing(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    with site.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000020")
        page.reload()
        chat.wait_for_text("t000099")
    chat.wait_until("done")
    assert chat.text() == ANSWER
    expect(chat.get("message-assistant")).to_have_count(1)


def test_a_second_tab_shows_the_same_stream(page: Page, context: BrowserContext, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    with site.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000010")
        other = ChatPage(context.new_page()).open(page.url)
        other.wait_for_text("t000030")
    chat.wait_until("done")
    other.wait_until("done")
    assert chat.text() == other.text() == ANSWER


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_an_answer_can_be_stopped(page: Page, site: Site, mode: str) -> None:
    chat = ChatPage(page).open(site.api.url)
    chat.choose(mode)
    with site.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000010")
        chat.get("stop").click()
        chat.wait_until("done")
    shown = chat.text()
    assert ANSWER.startswith(shown)
    assert len(shown) < len(ANSWER)
    if mode == "queue":
        assert shown == stored_turn(site, page)["text"]


def test_escape_stops_too(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    with site.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000005")
        page.keyboard.press("Escape")
        chat.wait_until("done")
    assert len(chat.text()) < len(ANSWER)


def test_regenerate_replaces_the_answer(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    chat.send("Count for me")
    chat.wait_until("done")
    chat.get("regenerate").last.click()
    expect(chat.answer).to_have_attribute("data-turn", "2")
    chat.wait_until("done")
    assert chat.text() == ANSWER
    expect(chat.get("message-user")).to_have_count(1)
    page.reload()
    chat.wait_until("done")
    expect(chat.get("message-assistant")).to_have_count(1)


def test_sessions_are_kept_and_can_be_opened_again(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    chat.send("The first conversation")
    chat.wait_until("done")
    chat.get("new-chat").click()
    chat.send("The second conversation")
    chat.wait_until("done")
    expect(chat.get("session-item")).to_have_count(2)
    chat.get("session-item").filter(has_text="The first conversation").click()
    expect(chat.get("message-user")).to_have_text(re.compile("The first conversation"))
    assert chat.text() == ANSWER


def test_shift_enter_makes_a_new_line(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    entry = chat.get("message-input")
    entry.press_sequentially("one")
    entry.press("Shift+Enter")
    entry.press_sequentially("two")
    expect(entry).to_have_value("one\ntwo")
    expect(chat.get("message-user")).to_have_count(0)


def test_the_lights_tell_what_works(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    for light in ("light-api", "light-queue"):
        expect(chat.get(light)).to_have_attribute("data-state", re.compile("ok|on|up"))


def test_nothing_is_fetched_from_elsewhere(page: Page, site: Site) -> None:
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if site.api.url not in request.url else None)
    chat = ChatPage(page).open(site.api.url)
    chat.send("Count for me")
    chat.wait_until("done")
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []


def stored_turn(site: Site, page: Page) -> dict[str, object]:
    session = page.evaluate("location.hash.slice(1)")
    turns: list[dict[str, object]] = get(f"{site.api.url}/sessions/{session}").json()["turns"]
    return turns[-1]
