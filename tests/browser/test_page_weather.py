"""The chat page where things are not as they should be: no key, no worker, no model, hostile text, a file, a phone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewContext, Site
from tests.client import new_session, numbered
from tests.processes import Api
from tests.stack import ROOT, Stack

XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script> [x](javascript:window.hacked=3)"""
WAIT = re.compile(r"Try again in (\d+) s\.")


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


def test_an_answer_whose_worker_has_died_can_be_stopped(page: Page, tmp_path: Path) -> None:
    """Nobody knows then how much of it was shown: its end lies at the tape's beginning."""
    with Stack(tmp_path, OPENAI_MODEL="mock?tokens=2000&rate=50") as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        chat = ChatPage(page).open(api.url)
        chat.send("Count for me")
        chat.wait_for_text("t000010")
        worker.kill()
        expect(chat.get("light-queue")).to_have_attribute("data-state", "no-worker")
        chat.get("stop").click()
        chat.wait_until("done")
        expect(chat.get("outcome-note")).to_have_text("Stopped.")
        expect(chat.get("message-input")).to_be_enabled()
        expect(chat.get("light-stream")).to_have_attribute("data-state", "idle")


SHOWN_HALF = """end => {
  const turn = new Hopstream.Turn({message: "Count for me", mode: "queue"});
  turn.apply({id: "1.2.0", type: "start", turn: 1, attempt: 2, model: "mock"});
  turn.apply({id: "1.2.16", chunk: "t000000 t000001 "});
  const isNew = turn.apply(end);
  return [isNew, turn.status, turn.text];
}"""


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ({"id": "1.2.1", "type": "error", "code": "job_dead", "message": "gone"}, [True, "error"]),
        ({"id": "1.2.1", "type": "done", "finish_reason": "cancelled"}, [True, "done"]),
        ({"id": "1.1.99", "type": "error", "code": "job_dead", "message": "gone"}, [False, "streaming"]),
        ({"id": "1.2.8", "chunk": "t000000 "}, [False, "streaming"]),
    ],
    ids=["an error", "an end", "an end of an earlier attempt", "a chunk that was seen"],
)
def test_an_end_counts_wherever_it_lies(page: Page, demo: Api, event: dict[str, Any], outcome: list[Any]) -> None:
    page.goto(demo.url)
    assert page.evaluate(SHOWN_HALF, event) == [*outcome, "t000000 t000001 "]


FILL_STORAGE = """() => {
  let filler = "";
  for (let size = 2 ** 22; size >= 1; size /= 2) {
    try {
      localStorage.setItem("filler", filler + "x".repeat(size));
      filler += "x".repeat(size);
    } catch {}
  }
}"""


def test_a_full_storage_costs_nothing_while_the_page_is_open(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    ask_in_a_new_chat(chat, "The first")
    page.evaluate(FILL_STORAGE)
    ask_in_a_new_chat(chat, "The second")
    expect(chat.get("session-item")).to_have_text(["The second", "The first"])
    page.evaluate("localStorage.removeItem('filler')")
    ask_in_a_new_chat(chat, "The third")
    expect(chat.get("session-item")).to_have_text(["The third", "The second", "The first"])
    page.reload()
    expect(chat.get("session-item")).to_have_text(["The third", "The second", "The first"])


def ask_in_a_new_chat(chat: ChatPage, message: str) -> None:
    chat.get("new-chat").click()
    chat.send(message)
    chat.wait_until("done")


def test_a_lost_network_keeps_what_was_typed(page: Page, context: BrowserContext, site: Site) -> None:
    chat = ChatPage(page).open(site.api.url)
    context.set_offline(True)
    chat.send("Do not lose me")
    context.set_offline(False)
    page.reload()
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-testid="message-input"], [data-testid="message-user"]')]
            .some((element) => (element.value ?? element.textContent).includes("Do not lose me"))"""
    )


def test_it_works_as_a_file(new_context: NewContext, site: Site) -> None:
    chat = ChatPage(new_context().new_page()).open(f"{(ROOT / 'web' / 'chat.html').as_uri()}?api={site.api.url}")
    chat.send("Count for me")
    chat.wait_until("done")
    assert chat.text() == numbered(150)


@pytest.mark.parametrize("mode", ["queue", "direct"])
def test_it_works_under_a_prefix(page: Page, site: Site, mode: str) -> None:
    with site.stack.as_before():
        api = site.stack.start_api(ROOT_PATH="/our/chat")
        chat = ChatPage(page).open(f"{api.url}/our/chat/")
        chat.choose(mode)
        chat.send("Count for me")
        chat.wait_until("done")
        assert chat.text() == numbered(150)
        page.reload()
        chat.wait_until("done")
        assert chat.text() == numbered(150)


def test_a_refusal_is_told(page: Page, demo: Api) -> None:
    events = [
        ("1.1.0", {"type": "start", "turn": 1, "attempt": 1, "model": "m"}),
        ("1.1.7", {"refusal": "I will "}),
        ("1.1.11", {"refusal": "not."}),
        ("1.1.12", {"type": "done", "finish_reason": "content_filter", "usage": None}),
    ]
    body = "".join(f"id: {event_id}\ndata: {json.dumps(event)}\n\n" for event_id, event in events)
    page.route("**/chat", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    chat.send("Do it")
    expect(chat.get("outcome-note")).to_have_text("The model refused: I will not.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scroll(new_context: NewContext, demo: Api, scheme: str) -> None:
    context = new_context(
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
        has_touch=True,
        is_mobile=True,
    )
    chat = ChatPage(context.new_page()).open(demo.url)
    chat.choose("direct")
    chat.send("Show me code " + "unbroken" * 40)
    chat.wait_until("done")
    assert chat.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


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


def test_how_long_to_wait_is_seen_and_not_said_each_second(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    problem = {"status": 429, "code": "rate_limited", "detail": "too many questions"}
    page.clock.install()
    page.route("**/chat", lambda route: route.fulfill(status=429, json=problem, headers={"Retry-After": "30"}))
    chat.send("Hello")
    card = chat.get("problem")
    expect(card).to_contain_text(WAIT)
    seconds = int(WAIT.search(card.inner_text())[1])  # type: ignore[index]
    said = "card => [...card.querySelectorAll(':not([aria-hidden])')].map((each) => each.firstChild?.nodeValue).join()"
    before = card.evaluate(said)
    page.clock.run_for(10_000)
    expect(card).to_contain_text(WAIT)
    assert int(WAIT.search(card.inner_text())[1]) <= seconds - 10  # type: ignore[index]
    page.clock.run_for(21_000)
    expect(card).to_contain_text("You can try again now.")
    assert card.evaluate(said) == before
