"""What a person sees and does on the page of agents, for tests; and a stand-in for the API behind it."""

import json
import time
from typing import Any
from urllib.parse import urlparse

from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from tests.patience import PATIENCE_SECONDS

Json = dict[str, Any]
POLL_MS = 20
TOOLS = [{"name": "calculator", "description": "Calculates."}, {"name": "clock", "description": None}]


class AgentsPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str, place: str = "") -> "AgentsPage":
        """Waits until it has its agents. `place`: an agent's id, or /new."""
        self.page.goto(f"{url}/agents{f'#{place}' if place else ''}")
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        expect(self.page.locator("#main")).not_to_have_attribute("aria-busy", "true")

    def get(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def item(self, text: str) -> Locator:
        return self.get("agent-item").filter(has_text=text)

    def save(self) -> None:
        self.get("save").click()
        expect(self.get("save-state")).to_have_text("Saved")

    def ask(self, text: str) -> None:
        self.get("trial-message").fill(text)
        self.get("trial-send").click()

    @property
    def answer(self) -> Locator:
        """The latest one of the trial."""
        return self.get("message-assistant").last

    def wait_until(self, status: str) -> None:
        expect(self.answer).to_have_attribute("data-status", status)


def agent(agent_id: str, **members: Any) -> Json:
    """As GET /agents has it."""
    usual: Json = {"name": agent_id.title(), "system_prompt": "You answer.", "markdown_context": "", "model": None}
    more: Json = {"options": {}, "tools": [], "owner": None, "editable": True, "etag": '"1"'}
    return {"id": agent_id, **usual, **more, **members}


class FakeAgents:
    """Stands in for /agents, /tools, /narrator and /ws/chat: what comes, and when, is the test's. Made before the page
    is opened."""

    def __init__(self, page: Page, *agents: Json) -> None:
        self.agents = {each["id"]: each for each in agents}
        self.puts: list[tuple[Json, dict[str, str]]] = []
        """Bodies and headers."""
        self.refusals: list[tuple[int, Json]] = []
        """Statuses and problems of the next requests that change something."""
        self.narrations: list[Json] = []
        self.socket = FakeChat(page)
        page.route(lambda url: urlparse(url).path.endswith(("/agents", "/tools")), self._on_list)
        page.route(lambda url: "/agents/" in url and "/assets/" not in url, self._on_agent)
        page.route("**/narrator/*", self._on_narrator)

    def _on_list(self, route: Route) -> None:
        if route.request.resource_type == "document":
            route.fallback()
        elif route.request.url.endswith("/tools"):
            route.fulfill(json={"tools": TOOLS})
        else:
            route.fulfill(json={"agents": [*self.agents.values()]})

    def _on_agent(self, route: Route) -> None:
        agent_id = route.request.url.rpartition("/")[2]
        if route.request.method == "GET":
            self._tell(route, self.agents.get(agent_id))
        elif self.refusals:
            _refuse(route, *self.refusals.pop(0))
        elif route.request.method == "DELETE":
            del self.agents[agent_id]
            route.fulfill(status=204)
        else:
            self._put(route, agent_id)

    def _put(self, route: Route, agent_id: str) -> None:
        body, headers = body_of(route), route.request.headers
        self.puts.append((body, headers))
        known = self.agents.get(agent_id)
        if headers.get("if-match") != (known and known["etag"]):
            _refuse(route, 412, {"code": "precondition_failed", "detail": "it was changed meanwhile"})
            return
        etag = f'"{len(self.puts) + 100}"'
        self.agents[agent_id] = {**agent(agent_id), **body, "etag": etag}
        self._tell(route, self.agents[agent_id])

    def _tell(self, route: Route, found: Json | None) -> None:
        if found is None:
            _refuse(route, 404, {"code": "not_found", "detail": "there is no such agent"})
        else:
            route.fulfill(json=found)

    def _on_narrator(self, route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(json={"conversationId": "c", "events": self.narrations, "next": len(self.narrations)})
        elif self.refusals:
            _refuse(route, *self.refusals.pop(0))
        else:
            self.narrate("USER_MESSAGE", "user", body_of(route)["message"])
            self.narrate("NARRATION", "controller", "All is well.")
            route.fulfill(status=202, json={"eventId": 1, "narration": "All is well."})

    def narrate(self, kind: str, source: str, message: str) -> Json:
        seq = len(self.narrations) + 1
        event = {"seq": seq, "eventId": seq, "source": source, "message": message, "at": "2026-01-01T00:00:00Z"}
        self.narrations.append({**event, "type": kind})
        return event


class FakeChat:
    """Stands in for /ws/chat: answers handshakes, and accepts what is asked."""

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.hellos: list[Json] = []
        self.heard: list[Json] = []
        """All but handshakes."""
        self.accepts = True
        self._page = page
        page.route("**/ws/ticket", lambda route: route.fulfill(json={"protocols": ["hopstream.v1"]}))
        page.route_web_socket("**/ws/chat*", self._on_socket)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self._on_frame(json.loads(text)))

    def _on_frame(self, frame: Json) -> None:
        if frame["type"] == "handshake":
            self.hellos.append(frame)
            self.say("ready", turn=None, status="idle", tools=[], maxMessageChars=32_000, narratorSeq=0)
            return
        self.heard.append(frame)
        if frame["type"] == "message" and self.accepts:
            self.accept(frame["messageId"])

    def wait_for(self, *, hellos: int = 0, heard: int = 0) -> None:
        """Until it has got so many frames. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.hellos) < hellos or len(self.heard) < heard:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(self.hellos)} handshakes and {len(self.heard)} other frames came")
            self._page.wait_for_timeout(POLL_MS)

    def accept(self, message_id: str, waiting: int = 0) -> None:
        turn = len({heard["messageId"] for heard in self.heard if heard["type"] == "message"})
        self.say("accepted", messageId=message_id, turn=turn, position=1, waiting=waiting, duplicate=False)

    def say(self, kind: str, **words: Any) -> None:
        self.sockets[-1].send(json.dumps({"type": kind, "conversationId": "c", **words}))

    def tell(self, kind: str, place: str, **words: Any) -> None:
        """A frame of a turn: `place` is its id, 1.1.0."""
        self.say(kind, turn=int(place.split(".")[0]), id=place, **words)

    def start(self, turn: int = 1) -> None:
        self.tell("start", f"{turn}.1.0", model="m", attempt=1)

    def call(self, place: str, call_id: str, name: str, arguments: Any) -> None:
        self.tell("tool", place, name=name, payload={"callId": call_id, "phase": "call", "arguments": arguments})

    def result(self, place: str, call_id: str, output: str, **more: Any) -> None:
        payload = {"callId": call_id, "phase": "result", "output": output, "isError": False, "truncated": False, **more}
        self.tell("tool", place, name="", payload=payload)

    def done(self, place: str, reason: str = "stop") -> None:
        self.tell("done", place, finishReason=reason, usage=None)


def body_of(route: Route) -> Json:
    body: Json = json.loads(route.request.post_data or "{}")
    return body


def _refuse(route: Route, status: int, problem: Json) -> None:
    route.fulfill(status=status, json={"status": status, **problem})
