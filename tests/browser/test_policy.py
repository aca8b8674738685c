"""The pages under their Content-Security-Policy: nothing they do is forbidden, and nothing comes from elsewhere."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.agency import Agency
from tests.browser.agents_page import AgentsPage
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Site
from tests.browser.streams_page import StreamsPage
from tests.client import new_session
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.stack import Stack

NOTE_VIOLATIONS = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@pytest.fixture
def demo(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Answers with Markdown, tables and code."""
    with Stack(tmp_path_factory.mktemp("policy"), OPENAI_API_KEY="") as stack:
        yield stack.start_api()


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.add_init_script(NOTE_VIOLATIONS)
    yield page
    assert page.evaluate("window.violations") == []
    assert [url for url in requested if not url.startswith(("http://127.0.0.1", "data:", "blob:"))] == []


def test_the_chat_page_does_nothing_that_is_forbidden(watched: Page, demo: Api) -> None:
    chat = ChatPage(watched).open(demo.url)
    chat.get("theme-toggle").click()
    chat.choose("direct")
    chat.send("Show me code")
    chat.wait_until("done")
    expect(chat.answer.locator("pre code.hljs")).to_be_visible()
    chat.get("copy-code").click()
    chat.get("open-settings").click()
    chat.get("save-settings").click()
    expect(chat.get("session-item")).to_have_count(1)
    chat.get("session-item").hover()
    chat.get("delete-session").click()
    chat.get("confirm-delete").click()
    expect(chat.get("session-item")).to_have_count(0)


def test_the_streams_page_does_nothing_that_is_forbidden(watched: Page, site: Site) -> None:
    goal = new_session()
    streams = StreamsPage(watched).open(site.api.url, goal)
    body = {"message": "Count for me", "goal_id": goal, "model": "mock?tokens=5&reasoning=5&tools=1"}
    httpx.post(f"{site.api.url}/chat", json=body, timeout=PATIENCE_SECONDS).raise_for_status()
    streams.expect_counts(completed=1)
    for fold in ("stream-details", "stream-tools", "stream-reasoning"):
        streams.get(fold).locator("summary").click()
    expect(streams.get("phases").locator(".bar").first).to_have_attribute("style", re.compile("width"))
    streams.get("theme-toggle").click()
    streams.get("open-settings").click()
    streams.get("save-settings").click()
    streams.wait_until_live()


def test_the_agents_page_does_nothing_that_is_forbidden(watched: Page, agency: Agency) -> None:
    context = "**Rules**, $x^2$ and ![an image](https://elsewhere.example/x.png)\n\n```python\nprint(1)\n```"
    agents = AgentsPage(watched).open(agency.api.url, agency.make(markdown_context=context))
    agents.get("context-preview").click()
    expect(agents.get("preview").locator("math")).to_be_visible()
    agents.ask("What is 6 * 7?")
    agents.wait_until("done")
    agents.get("tool-call").locator("summary").click()
    agents.get("narrator").locator("summary").click()
    agents.get("name").fill("Another name")
    agents.save()
    agents.get("theme-toggle").click()
    agents.get("duplicate").click()
    agents.get("discard").click()
    agents.get("confirm-yes").click()
    expect(agents.get("no-agent")).to_be_visible()


def test_the_policy_forbids_what_is_not_ours(page: Page, demo: Api) -> None:
    """The other tests would also pass under no policy at all."""
    page.add_init_script(NOTE_VIOLATIONS)
    page.goto(demo.url)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.hacked = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<p id="styled" style="color: red">x</p>');
    }""")
    page.wait_for_function("window.violations.length >= 2")
    assert page.evaluate("window.hacked") is None


def test_the_documentation_works_without_the_internet(watched: Page, site: Site) -> None:
    watched.goto(f"{site.api.url}/docs")
    operation = watched.locator(".opblock", has_text="/ready")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"status": "ready"')
