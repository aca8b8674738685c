"""The tools of an answer on the chat page: where they stand, how each call goes, and the same after a reload."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.agency import Agency, new_word
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewContext, Site
from tests.client import new_session

XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"""
SHOWN = 'element => element.outerHTML.replace(/ (open|data-[a-z]+)="[^"]*"/g, \'\')'
Json = dict[str, Any]


def pieces(chat: ChatPage) -> list[str]:
    """The latest answer in its order: texts, and the names of a step's tools."""
    shown: list[str] = chat.answer.get_by_test_id("answer-text").evaluate(
        """element => [...element.children].map((piece) => piece.matches(".answer") ? piece.textContent.trim()
          : [...piece.querySelectorAll(".tool-name")].map((name) => name.textContent).join("+"))"""
    )
    return shown


def call(chat: ChatPage, number: int) -> Locator:
    return chat.answer.get_by_test_id("tool-call").nth(number)


def state(of: Locator) -> Locator:
    return of.get_by_test_id("tool-state")


def test_a_reload_in_the_middle_of_a_call_shows_it_running_and_then_its_result(page: Page, agency: Agency) -> None:
    agent, word, session = agency.make(), new_word(), new_session()
    arguments = json.dumps({"word": word})
    agency.ask(session, f'call calculator {{"expression": "6*7"}}\nthen\ncall hold {arguments}', agent_id=agent)
    chat = ChatPage(page).open(f"{agency.api.url}/#{session}")
    expect(state(call(chat, 0))).to_contain_text(re.compile(r"\d m?s"))
    expect(state(call(chat, 1))).to_have_text("Running…")
    page.reload()
    expect(state(call(chat, 1))).to_have_text("Running…")
    expect(chat.answer.get_by_test_id("answer-agent")).to_have_text(agent)
    agency.let(word)
    chat.wait_until("done")
    before = pieces(chat)
    assert before[1:4:2] == ["calculator", "hold"]
    assert before[0] == "Let me see."
    assert f"The word is {word}." in before[-1] or f"<b>{word}</b>" in before[-1]
    live = chat.answer.get_by_test_id("answer-text").evaluate(SHOWN)
    page.reload()
    chat.wait_until("done")
    assert chat.answer.get_by_test_id("answer-text").evaluate(SHOWN) == live
    held = call(chat, 1)
    held.locator("summary").press("Enter")
    expect(held.get_by_test_id("tool-arguments")).to_have_text(json.dumps({"word": word}, indent=2))
    expect(held.get_by_test_id("tool-result")).to_have_text(f"The word is <b>{word}</b>.")
    expect(held.locator("b")).to_have_count(0)


def test_a_call_that_fails_says_so(page: Page, agency: Agency) -> None:
    session = new_session()
    agency.ask(session, 'call calculator {"expression": "1/0"}', agent_id=agency.make())
    chat = ChatPage(page).open(f"{agency.api.url}/#{session}")
    chat.wait_until("done")
    expect(state(call(chat, 0))).to_contain_text("Failed")
    expect(call(chat, 0)).to_have_attribute("data-state", "failed")


def test_who_stops_an_answer_in_the_middle_of_a_call_sees_that_it_has_no_result(page: Page, agency: Agency) -> None:
    session = new_session()
    agency.ask(session, f'call hold {{"word": "{new_word()}"}}', agent_id=agency.make())
    chat = ChatPage(page).open(f"{agency.api.url}/#{session}")
    expect(state(call(chat, 0))).to_have_text("Running…")
    chat.get("stop").click()
    chat.wait_until("done")
    expect(state(call(chat, 0))).to_have_text("No result")
    expect(chat.get("outcome-note")).to_have_text("Stopped.")


def test_a_turn_that_waits_for_another_one_is_followed_in_its_time(page: Page, agency: Agency) -> None:
    word, session = new_word(), new_session()
    agent = agency.make()
    held = agency.ask(session, f'call hold {{"word": "{word}"}}', agent_id=agent)
    assert held["turn"] == 1
    page.route(f"**/sessions/{session}", lambda route: route.fulfill(json=with_a_waiting_turn(route.fetch().json())))
    chat = ChatPage(page).open(f"{agency.api.url}/#{session}")
    expect(chat.get("message-assistant")).to_have_count(2)
    waiting = chat.get("message-assistant").last
    expect(waiting).to_have_attribute("data-status", "waiting")
    expect(waiting).to_contain_text("comes after the answer before it")
    expect(chat.get("stop")).to_be_visible()
    expect(chat.get("message-assistant").first.get_by_test_id("tool-state")).to_have_text("Running…")
    with page.expect_request(lambda request: "turn=2" in request.url):
        agency.let(word)
    expect(chat.get("message-assistant").first).to_have_attribute("data-status", "done")


def with_a_waiting_turn(session: Json) -> Json:
    """As one that asks over /ws/chat leaves it."""
    first = session["turns"][0]
    session["turns"].append({**first, "turn": 2, "status": "waiting", "message": "And then?", "tool_calls": []})
    return session


START = ("1.1.0", {"type": "start", "turn": 1, "attempt": 1, "model": "m"})


def tool_call(call_id: str, name: str, arguments: str = "{}") -> Json:
    return {"tool_call": {"id": call_id, "name": name, "arguments": arguments}}


def tool_result(call_id: str, result: str, **more: Any) -> Json:
    return {"tool_result": {"id": call_id, "name": "", "result": result, "is_error": False, **more}}


def tell(page: Page, *events: Json) -> None:
    """What the next question of the page is answered with, directly; it then breaks off."""
    told = [START, *((f"1.1.{place}", event) for place, event in enumerate(events, 10))]
    body = "".join(f"id: {event_id}\ndata: {json.dumps(event)}\n\n" for event_id, event in told)
    page.route("**/chat", lambda route: route.fulfill(content_type="text/event-stream", body=body))


def ask_scripted(page: Page, site: Site, *events: Json) -> ChatPage:
    tell(page, *events)
    chat = ChatPage(page).open(site.api.url)
    chat.choose("direct")
    chat.send("Use your tools")
    return chat


DONE = {"type": "done", "finish_reason": "stop", "usage": None}


def test_tools_stand_in_the_text_where_they_were_called(page: Page, site: Site) -> None:
    chat = ask_scripted(
        page,
        site,
        {"step": {"number": 1, "status": "start"}},
        {"chunk": "Two \U0001f600 tools: "},
        tool_call("a", "one"),
        {"tool_call_begun": {"id": "b", "name": "two"}},
        {"tool_call_arguments": {"call": 0, "text": '{"x": '}},
        {"tool_call_arguments": {"call": 0, "text": "1}"}},
        tool_result("b", "second", seconds=61.5),
        tool_result("a", "first", seconds=0.25),
        {"step": {"number": 1, "status": "end"}},
        {"step": {"number": 2, "status": "start"}},
        tool_call("c", "three"),
        tool_result("c", "third", truncated=True),
        {"chunk": "So **it** is."},
        DONE,
    )
    chat.wait_until("done")
    assert pieces(chat) == ["Two \U0001f600 tools:", "one+two", "three", "So it is."]
    expect(chat.get("tool-step")).to_have_text(["Step 1", "Step 2"])
    expect(chat.get("tool-state")).to_have_text(["250 ms", "1 min 01 s", "Cut off"])
    expect(call(chat, 1).locator(".tool-preview")).to_have_text("x: 1")


def test_an_outcome_that_nobody_knows_is_told_in_words(page: Page, site: Site) -> None:
    step = {"step": {"number": 1, "status": "start"}}
    chat = ask_scripted(
        page, site, step, tool_call("a", "mail"), tool_result("a", "unknown", is_error=True, in_doubt=True), DONE
    )
    expect(state(call(chat, 0))).to_have_text("Outcome unknown")
    call(chat, 0).locator("summary").click()
    expect(call(chat, 0).get_by_test_id("tool-note")).to_contain_text("Nobody knows")


def test_what_tools_say_is_text_and_nothing_else(page: Page, site: Site) -> None:
    arguments = json.dumps({XSS: XSS})
    step = {"step": {"number": 1, "status": "start"}}
    chat = ask_scripted(page, site, step, tool_call("a", XSS, arguments), tool_result("a", XSS), DONE)
    chat.wait_until("done")
    call(chat, 0).locator("summary").click()
    expect(call(chat, 0).get_by_test_id("tool-name")).to_have_text(XSS)
    expect(call(chat, 0).get_by_test_id("tool-result")).to_have_text(XSS)
    expect(chat.answer.locator("img, script")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_a_restart_makes_tools_void(page: Page, site: Site) -> None:
    chat = ask_scripted(
        page,
        site,
        {"step": {"number": 1, "status": "start"}},
        {"chunk": "Before. "},
        tool_call("a", "one"),
        tool_result("a", "first"),
        {"type": "restart", "attempt": 1, "reason": "worker_lost", "model": "m"},
        {"step": {"number": 1, "status": "start"}},
        {"chunk": "After. "},
        tool_call("a", "other"),
        tool_result("a", "anew"),
        DONE,
    )
    chat.wait_until("done")
    assert pieces(chat) == ["After.", "other"]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_what_runs_turns_only_for_those_who_like_motion(new_context: NewContext, agency: Agency, motion: str) -> None:
    session, word = new_session(), new_word()
    agency.ask(session, f'call hold {{"word": "{word}"}}', agent_id=agency.make())
    chat = ChatPage(new_context(reduced_motion=motion).new_page()).open(f"{agency.api.url}/#{session}")
    expect(state(call(chat, 0))).to_have_text("Running…")
    turns = "element => getComputedStyle(element).animationIterationCount"
    expected = "1" if motion == "reduce" else "infinite"
    assert call(chat, 0).locator(".tool-spinner").evaluate(turns) == expected
    agency.let(word)
    chat.wait_until("done")
