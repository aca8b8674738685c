"""The trial of an agent and its narrator, whatever comes over the socket: what comes, and when, is the test's."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.agents_page import AgentsPage, FakeAgents, FakeChat, agent
from tests.browser.conftest import Site

LEAST_PAUSES = 0.25 + 0.5 + 1
"""Seconds."""
XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"""


@pytest.fixture
def api(page: Page) -> FakeAgents:
    return FakeAgents(page, agent("clerk", name="Clerk"), agent("other"))


@pytest.fixture
def chat(api: FakeAgents) -> FakeChat:
    return api.socket


@pytest.fixture
def agents(page: Page, api: FakeAgents, site: Site) -> AgentsPage:
    return AgentsPage(page).open(site.api.url, "clerk")


def test_all_that_an_agent_says_and_does_is_shown(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask("Go")
    expect(agents.get("queue-position")).to_have_text("Next in the queue")
    chat.start()
    chat.tell("reasoning", "1.1.5", text="Hmm, let me think.")
    expect(agents.get("reasoning")).to_contain_text("let me think")
    chat.tell("step", "1.1.6", step=1, name="step 1", status="start")
    chat.tell("token", "1.1.9", token="So: ")
    chat.call("1.1.10", "a", "search", {"query": "tea"})
    chat.call("1.1.11", "b", "raw", "no JSON")
    expect(agents.get("tool-state").first).to_have_text("Running…")
    chat.result("1.1.12", "b", "ok", inDoubt=True, isError=True)
    chat.result("1.1.13", "a", '{"hits": 1}', seconds=1.25, truncated=True)
    expect(agents.get("tool-state")).to_have_text(["Cut off · 1.3 s", "Outcome unknown"])
    chat.tell("later", "1.1.14", anything="of a later release")
    chat.tell("token", "1.1.20", token="**done**")
    chat.done("1.1.21")
    agents.wait_until("done")
    expect(agents.answer.locator("strong")).to_have_text("done")
    call = agents.get("tool-call").first
    call.locator("summary").click()
    expect(call.get_by_test_id("tool-arguments")).to_have_text('{\n  "query": "tea"\n}')
    expect(call.get_by_test_id("tool-result")).to_have_text('{\n  "hits": 1\n}')
    expect(agents.get("announcer")).to_contain_text("Answer: So:")


def test_a_restart_makes_all_void(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.start()
    chat.tell("token", "1.1.6", token="Before")
    chat.call("1.1.7", "a", "search", {})
    chat.tell("restart", "1.2.0", attempt=2, reason="worker_lost", model="m")
    chat.tell("token", "1.2.5", token="After")
    chat.done("1.2.6")
    agents.wait_until("done")
    expect(agents.answer.get_by_test_id("answer-text")).to_have_text("After")
    expect(agents.get("restart-note")).to_contain_text("a worker was lost")


@pytest.mark.parametrize("code", [1006, 1012, 4408])
def test_a_connection_that_breaks_off_goes_on_behind_what_was_seen(
    agents: AgentsPage, chat: FakeChat, code: int
) -> None:
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.start()
    chat.tell("token", "1.1.5", token="one, ")
    expect(agents.answer).to_contain_text("one,")
    if code == 1012:
        chat.say("goaway", seconds=0, reason="deploy")
    else:
        chat.sockets[-1].close(code=code if code >= 3000 else None)
    expect(agents.page.locator("#trial-state")).to_be_hidden()
    chat.wait_for(hellos=2)
    assert chat.hellos[1]["resume"] == "1.1.5"
    assert chat.hellos[1]["conversationId"] == chat.hellos[0]["conversationId"]
    chat.tell("token", "1.1.5", token="one, ")  # told twice
    chat.tell("token", "1.1.9", token="two.")
    chat.done("1.1.10")
    agents.wait_until("done")
    expect(agents.answer.get_by_test_id("answer-text")).to_have_text("one, two.")
    assert len(chat.heard) == 1


def test_a_turn_that_is_told_no_further_is_asked_for_with_growing_pauses(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.start()
    began = time.monotonic()
    for hellos in (2, 3, 4):
        chat.say("error", turn=1, code="broken", message="it broke off", retryable=True)
        chat.wait_for(hellos=hellos)
    assert time.monotonic() - began > LEAST_PAUSES
    chat.done("1.1.1")
    agents.wait_until("done")


def test_what_was_not_accepted_is_sent_again_with_its_id(agents: AgentsPage, chat: FakeChat) -> None:
    chat.accepts = False
    agents.ask("Go")
    agents.ask("Go on")
    chat.wait_for(heard=2)
    before = [(frame["message"], frame["messageId"]) for frame in chat.heard]
    chat.sockets[-1].close()
    chat.wait_for(heard=4)
    assert [(frame["message"], frame["messageId"]) for frame in chat.heard[2:]] == before
    expect(agents.get("message-user")).to_have_text(["Go", "Go on"])


def test_one_that_was_accepted_unheard_is_shown_once(agents: AgentsPage, chat: FakeChat) -> None:
    chat.accepts = False
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.sockets[-1].close()
    chat.wait_for(heard=2)
    chat.start()
    chat.tell("token", "1.1.4", token="one ")
    chat.accept(chat.heard[1]["messageId"])
    chat.tell("token", "1.1.7", token="two")
    chat.done("1.1.8")
    agents.wait_until("done")
    expect(agents.answer.get_by_test_id("answer-text")).to_have_text("one two")
    expect(agents.get("message-user")).to_have_text(["Go"])


def test_a_message_that_is_refused_comes_back_into_the_field(agents: AgentsPage, chat: FakeChat) -> None:
    chat.accepts = False
    agents.ask("Do not lose me")
    agents.get("trial-message").fill("Typed since")
    chat.wait_for(heard=1)
    words = {"message": "8 messages of this conversation wait already", "code": "conversation_busy", "retryable": True}
    chat.say("error", messageId=chat.heard[0]["messageId"], **words)
    expect(agents.get("trial-state")).to_contain_text("8 messages of this conversation wait already.")
    expect(agents.get("trial-message")).to_have_value("Do not lose me\n\nTyped since")
    expect(agents.get("message-user")).to_have_count(0)


def test_a_message_that_was_on_its_way_when_the_page_was_left_is_not_lost(agents: AgentsPage, chat: FakeChat) -> None:
    chat.accepts = False
    agents.page.route("**/sessions/*", lambda route: route.fulfill(json={"title": "", "turns": []}))
    agents.ask("Do not lose me")
    agents.page.reload()
    expect(agents.get("trial-message")).to_have_value("Do not lose me")


def test_an_agent_that_is_gone_ends_the_connection_in_words(agents: AgentsPage, chat: FakeChat) -> None:
    chat.accepts = False
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.sockets[-1].close(code=4404, reason="there is no agent 'clerk'")
    expect(agents.get("trial-state")).to_contain_text("There is no agent 'clerk'.")
    agents.get("trial-retry").click()
    chat.wait_for(hellos=2)
    expect(agents.get("trial-state")).to_be_hidden()


def test_stop_is_sent_and_each_agent_has_a_conversation_of_its_own(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.start()
    agents.get("trial-stop").click()
    expect(agents.get("trial-stop")).to_be_disabled()
    chat.done("1.1.1", "cancelled")
    expect(agents.get("outcome-note")).to_have_text("Stopped.")
    assert chat.heard[-1] == {"type": "stop"}
    agents.item("other").click()
    expect(agents.get("message-assistant")).to_have_count(0)
    agents.ask("And you?")
    chat.wait_for(hellos=2)
    assert [hello["agentId"] for hello in chat.hellos] == ["clerk", "other"]
    assert chat.hellos[0]["conversationId"] != chat.hellos[1]["conversationId"]
    assert "resume" not in chat.hellos[1]


def test_what_comes_over_the_socket_is_text_and_nothing_else(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask(XSS)
    chat.wait_for(heard=1)
    chat.start()
    chat.tell("step", "1.1.1", step=1, name=XSS, status="start")
    chat.tell("reasoning", "1.1.2", text=XSS)
    chat.call("1.1.3", "a", XSS, {XSS: XSS})
    chat.result("1.1.4", "a", XSS)
    chat.tell("token", "1.1.9", token=XSS)
    chat.tell("error", "1.1.10", message=XSS, code="x", retryable=False)
    agents.wait_until("error")
    expect(agents.get("answer-error")).to_contain_text(XSS)
    expect(agents.get("tool-name")).to_have_text(XSS)
    expect(agents.get("trial").locator("img, script")).to_have_count(0)
    assert agents.page.evaluate("window.hacked") is None


def test_the_narrator_posts_and_shows_what_is_said(agents: AgentsPage, api: FakeAgents, chat: FakeChat) -> None:
    api.narrate("NARRATION", "controller", "Earlier.")
    agents.get("narrator").locator("summary").click()
    expect(agents.get("narration")).to_have_text(
        ["controller " + agents.page.locator("time").first.inner_text() + "Earlier."]
    )
    chat.wait_for(hellos=1)
    agents.get("narrator-message").fill("What is new?")
    agents.get("narrator-message").press("Enter")
    expect(agents.get("narration")).to_have_count(3)
    expect(agents.get("narration").nth(1)).to_contain_text("What is new?")
    expect(agents.get("narrator-message")).to_have_value("")
    chat.say("narration", **api.narrate("NARRATION", "controller", f"Live. {XSS}"))
    expect(agents.get("narration").last).to_contain_text(XSS)
    chat.say("narration", **api.narrations[0])  # told twice
    api.narrate("USER_MESSAGE", "user", "By somebody else")
    chat.say("narration", **api.narrate("NARRATION", "controller", "To somebody else"))
    expect(agents.get("narration")).to_have_count(6)
    assert agents.page.evaluate("window.hacked") is None


def test_without_a_controller_the_narrator_says_how_to_register_one(agents: AgentsPage, api: FakeAgents) -> None:
    api.refusals.append((503, {"code": "no_controller", "detail": "there is none: PUT /controllers/controller"}))
    agents.get("narrator").locator("summary").click()
    agents.get("narrator-message").fill("What is new?")
    agents.get("narrator-post").click()
    expect(agents.get("narrator-problem")).to_contain_text("There is none: PUT /controllers/controller")
    expect(agents.get("narrator-message")).to_have_value("What is new?")
    agents.get("make-controller").click()
    expect(agents.get("id")).to_have_value("controller")


def test_a_stop_that_may_be_lost_is_said_again(agents: AgentsPage, chat: FakeChat) -> None:
    agents.ask("Go")
    chat.wait_for(heard=1)
    chat.start()
    chat.tell("token", "1.1.5", token="one, ")
    agents.get("trial-stop").click()
    chat.wait_for(heard=2)
    chat.sockets[-1].close()
    chat.wait_for(hellos=2, heard=3)
    assert [frame["type"] for frame in chat.heard[1:]] == ["stop", "stop"]
