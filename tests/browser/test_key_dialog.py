"""The chat page of an API with keys: it asks for one, keeps it, and lets it go."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewContext, Site, start_site
from tests.client import numbered
from tests.stack import ROOT

ALICE, BOB = "alice-3b1f0c77d5e2", "bob-91aa40be6d13f8"
ANSWER = numbered(150)


@pytest.fixture(scope="module")
def guarded(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """In production, so that what its headers forbid is seen here."""
    keys = f"alice:{ALICE},bob:{BOB}"
    with start_site(tmp_path_factory.mktemp("guarded-page"), API_KEYS=keys, ENV="production") as site:
        yield site


def open_page(page: Page, url: str) -> ChatPage:
    """Its dialog covers what `ChatPage.open` waits for."""
    page.goto(url)
    chat = ChatPage(page)
    expect(chat.get("key-dialog")).to_be_visible()
    return chat


def enter(chat: ChatPage, key: str) -> None:
    chat.get("api-key").fill(key)
    chat.get("use-key").click()


def unlock(page: Page, url: str, key: str = ALICE) -> ChatPage:
    chat = open_page(page, url)
    enter(chat, key)
    expect(chat.get("key-dialog")).to_be_hidden()
    return chat


def test_the_page_asks_for_the_key_and_says_what_is_wrong_with_it(page: Page, guarded: Site) -> None:
    chat = open_page(page, guarded.api.url)
    field = page.get_by_label("API key", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("type", "password")
    chat.get("use-key").click()
    expect(chat.get("key-error")).to_have_text("Please enter a key.")
    enter(chat, "not-a-key-of-this-api")
    expect(chat.get("key-error")).to_have_text("This key is not accepted.")
    expect(chat.get("key-error")).to_have_role("alert")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(ALICE)
    expect(chat.get("key-error")).to_be_hidden()
    field.press("Enter")
    expect(chat.get("key-dialog")).to_be_hidden()
    expect(chat.get("light-queue")).to_have_attribute("data-state", "up")
    page.reload()
    expect(chat.get("light-queue")).to_have_attribute("data-state", "up")
    expect(chat.get("key-dialog")).to_be_hidden()


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_a_message_is_answered_in_both_modes(page: Page, guarded: Site, mode: str) -> None:
    chat = unlock(page, guarded.api.url)
    chat.choose(mode)
    chat.send("Count for me")
    chat.wait_until("done")
    assert chat.text() == ANSWER


def test_a_reload_and_a_second_tab_go_on_in_mid_answer(page: Page, context: BrowserContext, guarded: Site) -> None:
    chat = unlock(page, guarded.api.url)
    with guarded.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000010")
        page.reload()
        other = ChatPage(context.new_page()).open(page.url)
        other.wait_for_text("t000030")
    for tab in (chat, other):
        tab.wait_until("done")
        assert tab.text() == ANSWER


def test_an_answer_can_be_stopped_and_a_chat_deleted(page: Page, guarded: Site) -> None:
    chat = unlock(page, guarded.api.url)
    with guarded.holding(100):
        chat.send("Count for me")
        chat.wait_for_text("t000010")
        chat.get("stop").click()
        chat.wait_until("done")
    assert len(chat.text()) < len(ANSWER)
    chat.get("session-item").hover()
    chat.get("delete-session").click()
    chat.get("confirm-delete").click()
    expect(chat.get("session-item")).to_have_count(0)


def test_who_gives_no_key_may_look_and_is_asked_again_when_it_counts(page: Page, guarded: Site) -> None:
    """And the message that was on its way goes out once there is a key."""
    chat = open_page(page, guarded.api.url)
    page.keyboard.press("Escape")
    expect(chat.get("key-dialog")).to_be_hidden()
    chat.send("Count for me")
    enter(chat, ALICE)
    chat.wait_until("done")
    assert chat.text() == ANSWER
    expect(chat.get("message-user")).to_have_count(1)


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_who_takes_long_to_find_the_key_is_answered_all_the_same(page: Page, guarded: Site, mode: str) -> None:
    page.clock.install()
    chat = open_page(page, guarded.api.url)
    page.keyboard.press("Escape")
    chat.choose(mode)
    chat.send("Count for me")
    expect(chat.get("key-dialog")).to_be_visible()
    page.clock.fast_forward("02:00")
    enter(chat, ALICE)
    chat.wait_until("done")
    assert chat.text() == ANSWER


def test_a_message_without_a_key_is_kept(page: Page, guarded: Site) -> None:
    chat = open_page(page, guarded.api.url)
    page.keyboard.press("Escape")
    chat.send("Do not lose me")
    expect(chat.get("key-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(chat.get("problem")).to_contain_text("needs an API key")
    expect(chat.get("message-input")).to_have_value("Do not lose me")


def test_a_key_of_one_tab_is_a_key_of_all(page: Page, context: BrowserContext, guarded: Site) -> None:
    other = open_page(context.new_page(), guarded.api.url)
    unlock(page, guarded.api.url)
    expect(other.get("key-dialog")).to_be_hidden()
    expect(other.get("light-queue")).to_have_attribute("data-state", "up")


def test_the_key_can_be_changed_and_forgotten(page: Page, guarded: Site) -> None:
    chat = unlock(page, guarded.api.url)
    chat.send("Count for me")
    chat.wait_until("done")
    chat.get("open-settings").click()
    chat.get("change-key").click()
    enter(chat, BOB)
    expect(chat.get("key-dialog")).to_be_hidden()
    expect(chat.get("session-item")).to_have_count(0)  # it is alice's
    expect(chat.get("message-user")).to_have_count(0)
    chat.get("open-settings").click()
    chat.get("forget-key").click()
    expect(chat.get("key-dialog")).to_be_visible()
    assert page.evaluate("JSON.stringify(localStorage)").find(BOB) == -1


def test_a_key_that_is_taken_away_is_asked_for_again(page: Page, guarded: Site) -> None:
    chat = unlock(page, guarded.api.url)
    key_name = page.evaluate("Object.keys(localStorage).find(name => name.includes('key:'))")
    page.evaluate("name => localStorage.setItem(name, 'a-key-taken-away')", key_name)
    page.reload()
    expect(chat.get("key-error")).to_contain_text("not accepted (any more)")


def test_a_link_cannot_carry_the_key_to_another_server(page: Page, guarded: Site, site: Site) -> None:
    unlock(page, guarded.api.url)
    sent: list[str | None] = []
    page.on("request", lambda r: sent.append(r.headers.get("authorization")) if site.api.url in r.url else None)
    elsewhere = f"{(ROOT / 'web' / 'chat.html').as_uri()}?api={site.api.url}"
    ChatPage(page).open(elsewhere)
    expect(ChatPage(page).get("light-api")).to_have_attribute("data-state", "up")
    assert sent
    assert set(sent) == {None}


def test_it_works_as_a_file_where_the_api_allows_it(new_context: NewContext, guarded: Site) -> None:
    api = guarded.stack.start_api(CORS_ORIGINS="null")
    chat = unlock(new_context().new_page(), f"{(ROOT / 'web' / 'chat.html').as_uri()}?api={api.url}")
    chat.send("Count for me")
    chat.wait_until("done")
    assert chat.text() == ANSWER
