"""What the page of agents is told late is not taken for what is open by then."""

from collections.abc import Callable
from time import monotonic

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.agents_page import POLL_MS, AgentsPage, FakeAgents, agent
from tests.browser.conftest import Site
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def api(page: Page) -> FakeAgents:
    return FakeAgents(page, agent("clerk", name="Clerk"), agent("judge", name="Judge"))


class Held:
    """Requests of one method that are answered when a test says so."""

    def __init__(self, page: Page, pattern: str, method: str) -> None:
        self._page = page
        self._method = method
        self._routes: list[Route] = []
        page.route(pattern, self._on_request)

    def _on_request(self, route: Route) -> None:
        if route.request.method == self._method and route.request.resource_type != "document":
            self._routes.append(route)
        else:
            route.fallback()

    def during(self, act: Callable[[], None]) -> Route:
        """The one that it leads to."""
        act()
        deadline = monotonic() + PATIENCE_SECONDS
        while not self._routes and monotonic() < deadline:
            self._page.wait_for_timeout(POLL_MS)
        return self._routes.pop()


def leave(agents: AgentsPage) -> None:
    """Though what was written is not stored, as far as the page knows."""
    agents.item("Judge").click()
    agents.get("confirm-yes").click()
    expect(agents.get("agent-title")).to_have_text("Judge")


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "lost"])
def test_an_agent_that_is_saved_late(page: Page, api: FakeAgents, site: Site, is_stored: bool) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    held = Held(page, "**/agents/clerk", "PUT")
    agents.get("name").fill("Clerk of the court")
    route = held.during(agents.get("save").click)
    leave(agents)
    if is_stored:
        route.fallback()
        expect(agents.item("Clerk of the court")).to_be_visible()
    else:
        route.abort()
    said = "was saved" if is_stored else "was not saved"
    expect(page.get_by_text(f"“Clerk of the court” {said}")).to_be_attached()
    expect(agents.get("agent-title")).to_have_text("Judge")
    expect(agents.get("name")).to_have_value("Judge")
    expect(agents.get("form-problem")).to_be_hidden()
    expect(page).to_have_url(f"{site.api.url}/agents#judge")


def test_an_agent_that_is_deleted_late(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    held = Held(page, "**/agents/clerk", "DELETE")
    agents.get("delete").click()
    route = held.during(agents.get("confirm-yes").click)
    agents.item("Judge").click()
    expect(agents.get("agent-title")).to_have_text("Judge")
    route.fallback()
    expect(agents.item("Clerk")).to_have_count(0)
    expect(agents.get("agent-title")).to_have_text("Judge")
    expect(page).to_have_url(f"{site.api.url}/agents#judge")


def test_a_list_from_before_a_change(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    held = Held(page, "**/agents", "GET")
    route = held.during(lambda: page.evaluate("dispatchEvent(new Event('focus'))"))
    agents.get("name").fill("New clerk")
    agents.save()

    def is_list(request: Request) -> bool:
        return request.url.endswith("/agents")

    with page.expect_request(is_list):
        route.fulfill(json={"agents": [agent("clerk", name="Clerk")]})
    expect(agents.get("agent-title")).to_have_text("New clerk")
    expect(agents.item("New clerk")).to_be_visible()
