"""The chat page's choice of an agent: each chat keeps its own, and one that is gone is told in words."""

import json
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.agency import Agency
from tests.browser.agents_page import AgentsPage
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Site
from tests.client import new_session


def session_of(page: Page) -> str:
    session: str = page.evaluate("location.hash.slice(1)")
    return session


def test_an_agent_is_picked_and_its_answer_names_it(page: Page, agency: Agency) -> None:
    agent = agency.make(name="Arthur <b>Dent</b>")
    chat = ChatPage(page).open(agency.api.url)
    picker = chat.get("agent")
    expect(picker).to_have_value("")
    picker.select_option(agent)
    page.reload()
    expect(picker).to_have_value(agent)
    chat.send("What is 6 * 7?")
    chat.wait_until("done")
    for _ in range(2):
        expect(chat.answer.get_by_test_id("answer-agent")).to_have_text("Arthur <b>Dent</b>")
        expect(picker).to_have_value(agent)
        page.reload()
    assert agency.turns(session_of(page))[0]["agent"]["id"] == agent
    chat.get("details").click()
    expect(chat.get("details-list")).to_contain_text(agent)
    chat.get("new-chat").click()
    expect(picker).to_have_value("")


def test_each_chat_goes_on_with_its_own(page: Page, agency: Agency) -> None:
    first, second = agency.make(), agency.make()
    sessions = new_session(), new_session()
    for session, agent in zip(sessions, (first, second), strict=True):
        agency.ask(session, "Hello", agent_id=agent)
    chat = ChatPage(page).open(f"{agency.api.url}/#{sessions[0]}")
    picker = chat.get("agent")
    expect(picker).to_have_value(first)
    chat.wait_until("done")
    picker.select_option("")
    page.evaluate("id => (location.hash = id)", sessions[1])
    expect(picker).to_have_value(second)
    page.evaluate("id => (location.hash = id)", sessions[0])
    expect(picker).to_have_value("")
    chat.wait_until("done")
    chat.send("And without one?")
    chat.wait_until("done")
    expect(chat.answer.get_by_test_id("answer-agent")).to_be_hidden()
    assert [turn["agent"] and turn["agent"]["id"] for turn in agency.turns(sessions[0])] == [first, None]


def test_one_that_was_deleted_is_told_in_words_and_nothing_typed_is_lost(page: Page, agency: Agency) -> None:
    agent = agency.make()
    chat = ChatPage(page).open(agency.api.url)
    chat.get("agent").select_option(agent)
    agency.delete(agent)
    chat.send("Do not lose me")
    expect(chat.get("problem")).to_contain_text(f"no agent '{agent}'")
    expect(chat.get("problem")).to_contain_text("Choose another agent, or none.")
    expect(chat.get("message-input")).to_have_value("Do not lose me")
    expect(chat.get("agent").locator("option:checked")).to_have_text(f"{agent} (gone)")
    chat.get("agent").select_option("")
    chat.get("problem").get_by_test_id("retry").click()
    chat.wait_until("done")
    expect(chat.get("message-input")).to_have_value("")
    expect(chat.get("agent").locator(f"option[value='{agent}']")).to_have_count(0)


def test_a_refusal_of_another_kind_keeps_text_and_choice(page: Page, agency: Agency) -> None:
    agent = agency.make()
    problem = {"code": "upgrading", "detail": "a process of an earlier release still runs; ask again", "status": 503}
    chat = ChatPage(page).open(agency.api.url)
    chat.get("agent").select_option(agent)
    page.route("**/chat", lambda route: route.fulfill(status=503, json=problem))
    chat.send("Do not lose me")
    expect(chat.get("problem")).to_contain_text("earlier release")
    expect(chat.get("message-input")).to_have_value("Do not lose me")
    expect(chat.get("agent")).to_have_value(agent)


def test_without_agents_there_is_nothing_to_pick(page: Page, site: Site) -> None:
    def none(route: Route) -> None:
        route.fulfill(json={"agents": []})

    page.route("**/agents", none)
    with page.expect_response("**/agents"):
        chat = ChatPage(page).open(site.api.url)
    expect(chat.get("agent")).to_be_hidden()
    sent: list[dict[str, Any]] = []
    page.on("request", lambda r: sent.append(json.loads(r.post_data or "{}")) if r.url.endswith("/chat") else None)
    chat.send("hi")
    chat.wait_until("done")
    assert "agent_id" not in sent[0]


def test_a_new_agent_of_another_tab_can_be_picked(page: Page, context: BrowserContext, agency: Agency) -> None:
    chat = ChatPage(page).open(agency.api.url)
    expect(chat.get("agent")).to_be_visible()
    agents = AgentsPage(context.new_page()).open(agency.api.url, "/new")
    agents.get("name").fill("Brand new")
    agents.get("system_prompt").fill("You are new.")
    agents.save()
    expect(chat.get("agent").locator("option[value=brand-new]")).to_have_text("Brand new")


def test_the_model_of_an_agent_answers_where_none_is_chosen(page: Page, agency: Agency) -> None:
    agent = agency.make(model="demo:slow")
    chat = ChatPage(page).open(agency.api.url)
    model = chat.get("model").locator("option").first
    expect(model).to_have_text("demo")
    chat.get("agent").select_option(agent)
    expect(model).to_have_text("demo:slow")
    chat.get("agent").select_option("")
    expect(model).to_have_text("demo")
