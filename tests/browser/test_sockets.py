"""WebSockets from pages: those of the API's own host may open them, others may not, and each can tell why."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site

OPEN = """async ([url, protocols]) => {
  const socket = new WebSocket(url, protocols);
  const messages = [];
  socket.onmessage = (event) => messages.push(JSON.parse(event.data));
  return await new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason, protocol: socket.protocol, messages });
  });
}"""
ASK = """async (path) => {
  const post = async (path, body) => (await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();
  const { session_id } = await post("/chat", { message: "hello", model: "mock?tokens=3" });
  const url = `/ws/stream/${session_id}`;
  return { url, protocols: (await post("/ws/ticket", { path: url })).protocols };
}"""


class HelloPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>hello</p>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The origin of another site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), HelloPage) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def opened(page: Page, url: str, protocols: list[str]) -> dict[str, Any]:
    """How it went, once it is closed."""
    result: dict[str, Any] = page.evaluate(OPEN, [url, protocols])
    return result


def test_a_page_of_the_same_host_follows_a_turn_with_its_ticket(page: Page, site: Site) -> None:
    page.goto(site.api.url)
    asked = page.evaluate(ASK)
    socket = site.api.url.replace("http", "ws", 1)
    followed = opened(page, f"{socket}{asked['url']}", asked["protocols"])
    assert (followed["code"], followed["protocol"]) == (1000, "hopstream.v1")
    assert followed["messages"][-1]["type"] == "done"
    unknown = opened(page, f"{socket}/ws/stream/unknown", ["hopstream.v1"])
    assert (unknown["code"], unknown["messages"]) == (4404, [])


def test_a_page_of_another_host_cannot_though_the_api_is_open_to_everybody(
    page: Page, site: Site, elsewhere: str
) -> None:
    """This one is on the same machine, at another port: Chromium itself keeps pages of the internet from it."""
    page.goto(elsewhere)
    refused = opened(page, f"{site.api.url.replace('http', 'ws', 1)}/ws/stream/unknown", ["hopstream.v1"])
    assert refused["code"] == 4403
    assert elsewhere in refused["reason"]
    assert refused["messages"] == []
