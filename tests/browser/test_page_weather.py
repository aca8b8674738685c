"""The chat page where things are not as they should be: no key, no worker, no model, hostile text, a file, a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Site
from tests.client import new_session, numbered
from tests.stack import ROOT, Api, Stack

XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script> [x](javascript:window.hacked=3)"""


@pytest.fixture(scope="module")
def demo(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """No key, and no worker."""
    with Stack(tmp_path_factory.mktemp("demo"), OPENAI_API_KEY="") as stack:
        yield stack.start_api()


def test_without_a_key_a_banner_says_so(page: Page, demo: Api, site: Site) -> None:
    chat = ChatPage(page).open(demo.url)
    expect(chat.get("demo-banner")).to_be_visible()
    chat.open(site.api.url)
    expect(chat.get("demo-banner")).to_be_hidden()


def test_without_a_worker_the_place_in_the_queue_is_shown(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.send("Is anybody there?")
    expect(chat.get("queue-position")).to_be_visible()
    expect(chat.answer).to_have_attribute("data-status", "queued")
    chat.get("stop").click()
    chat.wait_until("done")


def test_hostile_text_does_nothing(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    chat.send(XSS)
    chat.wait_until("done")
    assert XSS[:20] in chat.text()
    assert page.evaluate("window.hacked") is None
    page.reload()
    chat.wait_until("done")
    assert page.evaluate("window.hacked") is None
    expect(page.locator("a[href^='javascript:']")).to_have_count(0)
    expect(chat.answer.locator("img")).to_have_count(0)


def test_code_is_highlighted_and_can_be_copied(page: Page, context: BrowserContext, demo: Api) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    chat.send("Show me code")
    chat.wait_until("done")
    expect(chat.answer.locator("pre code.hljs")).to_be_visible()
    chat.get("copy-code").click()
    assert "curl -N" in page.evaluate("navigator.clipboard.readText()")


def test_a_failed_answer_can_be_retried(page: Page, site: Site) -> None:
    failing = site.stack.start_api(OPENAI_MODEL=f"mock?tokens=20&status=401&fail_times=1&id={new_session()}")
    chat = ChatPage(page).open(failing.url)
    chat.send("Fail once")
    chat.wait_until("error")
    expect(chat.answer).to_contain_text("OPENAI_API_KEY")
    chat.get("retry").click()
    chat.wait_until("done")
    assert chat.text() == numbered(20)


def test_a_lost_network_keeps_what_was_typed(page: Page, context: BrowserContext, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    context.set_offline(True)
    chat.send("Do not lose me")
    expect(page.get_by_text("Do not lose me").or_(chat.get("message-input"))).not_to_have_count(0)
    context.set_offline(False)
    page.reload()
    typed = chat.get("message-input").input_value()
    shown = chat.get("message-user").all_text_contents()
    assert "Do not lose me" in typed or any("Do not lose me" in text for text in shown)


def test_it_works_as_a_file(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    chat = ChatPage(context.new_page()).open(f"{(ROOT / 'web' / 'chat.html').as_uri()}?api={site.api.url}")
    chat.send("Count for me")
    chat.wait_until("done")
    assert chat.text() == numbered(150)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scroll(browser: Browser, demo: Api, scheme: str, tmp_path: Path) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,  # type: ignore[arg-type]
        has_touch=True,
        is_mobile=True,
    )
    chat = ChatPage(context.new_page()).open(demo.url)
    chat.choose("direct")
    chat.send("Show me code " + "unbroken" * 40)
    chat.wait_until("done")
    assert chat.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


WATCH_LIVE_REGIONS = """() => {
  window.heard = [];
  for (const region of document.querySelectorAll('[aria-live=polite], [role=status]'))
    new MutationObserver(() => {
      const text = region.textContent.trim();
      if (text) window.heard.push(text);
    }).observe(region, {childList: true, subtree: true, characterData: true});
}"""


def test_a_screen_reader_hears_an_answer_once(page: Page, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    page.evaluate(WATCH_LIVE_REGIONS)
    chat.send("Count for me")
    chat.wait_until("done")
    page.wait_for_function("window.heard.some(text => text.includes('t000001'))")
    assert len([text for text in page.evaluate("window.heard") if "t000001" in text]) == 1


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
