"""What a person sees and does on the page of streams, for tests; and a stand-in for the socket that feeds it."""

import json
import time
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Locator, Page, WebSocketRoute, expect


class StreamsPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str, goal: str | None = None) -> "StreamsPage":
        """Waits until it is live."""
        self.page.goto(f"{url}/streams" if goal is None else f"{url}/goals/{quote(goal, safe='')}")
        self.wait_until_live()
        return self

    def wait_until_live(self) -> None:
        expect(self.get("light-live")).to_have_attribute("data-state", "streaming")

    def get(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def card(self, text: str) -> Locator:
        return self.get("stream").filter(has_text=text)

    def expect_counts(self, **counts: int) -> None:
        for status, count in counts.items():
            expect(self.get(f"count-{status}").locator("strong")).to_have_text(str(count))

    def expect_status(self, card: Locator, status: str) -> None:
        expect(card).to_have_attribute("data-status", status)


class FakeEvents:
    """Stands in for /ws/events and GET /turns: what comes, and when, is the test's. Made before the page is opened."""

    def __init__(self, page: Page) -> None:
        self.rows: list[dict[str, Any]] = []
        self.sockets: list[WebSocketRoute] = []
        self._page = page
        page.route("**/turns?*", lambda route: route.fulfill(json={"turns": self.rows, "next": None}))
        page.route_web_socket("**/ws/events*", self._on_socket)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.send('{"type":"ready"}')

    def tell(self, event: str, request_id: str, **data: Any) -> None:
        now = round(time.time() * 1000)
        place = {"attempt": 1, "position": 0, "id": "1.1.0"}
        told = {"requestId": request_id, "timestamp": now, **(place if event != "queued" else {}), **data}
        frame = {"type": "event", "event": f"llm.stream.{event}", "data": told}
        self.sockets[-1].send(json.dumps(frame))

    def start(self, request_id: str, text: str = "", **data: Any) -> None:
        self.tell("start", request_id, model="m", mode="queue", **data)
        if text:
            self.chunk(request_id, text)

    def chunk(self, request_id: str, text: str, **data: Any) -> None:
        self.tell("chunk", request_id, chunk=text, index=0, tokens=1, **data)

    def end(self, request_id: str, reason: str = "stop") -> None:
        self.tell("end", request_id, totalChunks=1, tokensUsed=0, finishReason="stop", reason=reason)

    def lag(self, *request_ids: str) -> None:
        data = {"missed": 1, "requestIds": request_ids, "timestamp": round(time.time() * 1000)}
        self.sockets[-1].send(json.dumps({"type": "event", "event": "lagged", "data": data}))


def row(request_id: str, **changes: Any) -> dict[str, Any]:
    """As GET /turns has it."""
    session, _, turn = request_id.rpartition(".")
    unknown = dict.fromkeys(("goal_id", "work_item_id", "run_id", "usage", "cost", "error", "provider"))
    times = dict.fromkeys(("started_at", "claimed_at", "asked_at", "first_token_at", "finished_at"))
    return {
        "session_id": session,
        "turn": int(turn),
        "mode": "queue",
        "status": "done",
        "attempt": 1,
        "lost_attempts": 0,
        "model": "m",
        "message": f"Question of {session}",
        "text": "",
        "metadata": {},
        "finish_reason": "stop",
        "created_at": "2026-01-01T00:00:00Z",
        **unknown,
        **times,
        **changes,
    }
