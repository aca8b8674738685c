"""The TypeScript client in a real Chromium: on a page of the fake server that its own tests have, and of a real API."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site
from tests.client import numbered
from tests.clients.conftest import built  # noqa: F401 - the same build
from tests.clients.fake import fake_hopstream
from tests.clients.package import HOME
from tests.patience import PATIENCE_SECONDS
from tests.proxy import Proxy

MODULE = "/streaming-llm-client.js"
OPEN = """async ({ module, model, ticket }) => {
  const { listAgents, streamChat } = await import(module);
  const agents = ticket ? [{ id: "planner" }] : await listAgents();
  window.shown = "";
  window.states = [];
  window.chat = await streamChat({
    backendUrl: `ws://${location.host}/ws/chat`,
    agentId: agents[0].id,
    options: { model },
    reconnect: { minDelay: 10, maxDelay: 100, retries: 1000 },
    ticket: ticket ? async () => ticket : undefined,
    onEvent: (event) => { if (event.type === "token") window.shown += event.token; },
    onState: (state) => window.states.push(state),
  });
}"""
SNIPPET = """async (module) => {
  const { updateAgent, getAgent } = await import(module);
  await updateAgent({ id: "reviewer", name: "Reviewer", system_prompt: "You are Reviewer." });
  return (await getAgent("reviewer")).name;
}"""

pytestmark = pytest.mark.usefixtures("built")


class Served(NamedTuple):
    page_url: str
    line: Proxy
    """Between the page and the server."""
    release: Callable[[str], None]
    """Lets the answers of this id go on."""


@pytest.fixture(params=["fake", "real"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with ExitStack() as closing:
        if request.param == "fake":
            url = closing.enter_context(fake_hopstream())
            release: Callable[[str], None] = partial(_release, url)
        else:
            site: Site = request.getfixturevalue("site")
            url, release = site.api.url, site.stack.release
        line = closing.enter_context(Proxy(url))
        yield Served(line.url, line, release)


@pytest.fixture
def client_page(page: Page) -> Page:
    """A page that can import the client."""
    page.route(
        f"**{MODULE}", lambda route: route.fulfill(path=HOME / "dist" / "index.js", content_type="text/javascript")
    )
    return page


def test_a_page_chats_and_a_lost_connection_costs_it_nothing(client_page: Page, served: Served) -> None:
    held = uuid4().hex
    client_page.goto(served.page_url)
    client_page.evaluate(OPEN, {"module": MODULE, "model": f"mock?tokens=20&hold_after=5&id={held}"})
    client_page.evaluate("() => { window.answer = chat.sendMessage({ message: 'hello' }); }")
    client_page.wait_for_function("text => shown === text", arg=numbered(5))
    served.line.cut()
    client_page.wait_for_function("() => states.includes('reconnecting')")
    served.release(held)
    assert client_page.evaluate("async () => (await answer).text") == numbered(20)
    assert client_page.evaluate("shown") == numbered(20)
    assert client_page.evaluate("async () => (await chat.sendMessage({ message: 'again' })).turn") == 2
    client_page.evaluate("() => chat.stop()")
    assert client_page.evaluate("states.at(-1)") == "closed"


def test_where_no_address_is_given_it_is_the_page_s_own(client_page: Page, served: Served) -> None:
    client_page.goto(served.page_url)
    assert client_page.evaluate(SNIPPET, MODULE) == "Reviewer"


def test_a_page_without_a_key_opens_a_stream_by_a_ticket(client_page: Page) -> None:
    with fake_hopstream(key="secret") as url:
        headers = {"Authorization": "Bearer secret"}
        asked = httpx.post(f"{url}/ws/ticket", json={"path": "/ws/chat"}, headers=headers, timeout=PATIENCE_SECONDS)
        client_page.goto(url)
        client_page.evaluate(OPEN, {"module": MODULE, "model": "mock?tokens=3", "ticket": asked.json()["ticket"]})
        assert client_page.evaluate("async () => (await chat.sendMessage({ message: 'hello' })).text") == numbered(3)


def _release(url: str, held: str) -> None:
    httpx.post(f"{url}/release/{held}", timeout=PATIENCE_SECONDS).raise_for_status()
