"""The trial of an agent, and its narrator, on a real stack: through reloads, stops, and the end of its API process."""

import json
import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.agency import Agency, Json, new_word
from tests.browser.agents_page import AgentsPage
from tests.browser.chat_page import ChatPage
from tests.patience import PATIENCE_SECONDS


def test_an_agent_is_tried_beside_its_form(page: Page, agency: Agency) -> None:
    agent = agency.make()
    agents = AgentsPage(page).open(agency.api.url, agent)
    agents.ask("What is 6 * 7?")
    agents.wait_until("done")
    expect(agents.answer.get_by_test_id("tool-name")).to_have_text("calculator")
    expect(agents.answer.get_by_test_id("tool-state")).to_contain_text(re.compile(r"\d m?s"))
    expect(agents.answer).to_contain_text("42")
    agents.get("system_prompt").fill("You shout.")
    expect(agents.get("trial-note")).to_contain_text("not saved")
    agents.save()
    expect(agents.get("trial-note")).to_be_hidden()
    agents.ask("What is 7 * 8?")
    agents.wait_until("done")
    expect(agents.get("message-assistant")).to_have_count(2)
    agents.get("trial-in-chat").click()
    chat = ChatPage(page)
    expect(chat.get("message-assistant")).to_have_count(2)
    session = page.evaluate("location.hash.slice(1)")
    versions = [turn["agent"]["version"] for turn in agency.turns(session)]
    assert len(set(versions)) == 2
    chat.answer.get_by_test_id("answer-agent").click()
    expect(agents.get("agent-title")).to_have_text(agent)
    expect(agents.get("message-assistant")).to_have_count(2)
    agents.get("trial-anew").click()
    expect(agents.get("message-assistant")).to_have_count(0)


def test_a_reload_in_the_middle_of_a_call_goes_on_with_it(page: Page, agency: Agency) -> None:
    word = new_word()
    agents = AgentsPage(page).open(agency.api.url, agency.make())
    agents.ask("What is 6 * 7?")
    agents.wait_until("done")
    agents.ask(f'call hold {{"word": "{word}"}}')
    running = agents.answer.get_by_test_id("tool-state")
    expect(running).to_have_text("Running…")
    page.reload()
    expect(agents.get("message-assistant")).to_have_count(2)
    expect(running).to_have_text("Running…")
    agency.let(word)
    agents.wait_until("done")
    expect(agents.get("message-user").last).to_contain_text(word)
    expect(agents.get("message-assistant").first).to_contain_text("42")


def test_messages_wait_for_each_other_and_stop_ends_them_all(page: Page, agency: Agency) -> None:
    agents = AgentsPage(page).open(agency.api.url, agency.make())
    agents.ask(f'call hold {{"word": "{new_word()}"}}')
    expect(agents.answer.get_by_test_id("tool-state")).to_have_text("Running…")
    agents.ask("What is 6 * 7?")
    expect(agents.answer).to_have_attribute("data-status", "waiting")
    agents.get("trial-stop").click()
    for answer in (0, 1):
        expect(agents.get("message-assistant").nth(answer)).to_have_attribute("data-status", "done")
        expect(agents.get("outcome-note").nth(answer)).to_have_text("Stopped.")


def test_the_trial_outlives_the_api_that_it_talks_to(page: Page, agency: Agency) -> None:
    with agency.stack.as_before():
        api = agency.stack.start_api()
        port, word = int(api.url.rpartition(":")[2]), new_word()
        agents = AgentsPage(page).open(api.url, agency.make())
        agents.ask(f'call hold {{"word": "{word}"}}')
        expect(agents.answer.get_by_test_id("tool-state")).to_have_text("Running…")
        api.kill()
        expect(agents.get("trial-state")).to_be_visible()
        agents.ask("What is 6 * 7?")
        agency.let(word)
        agency.stack.start_api(port=port)
        expect(agents.get("message-assistant").first).to_have_attribute("data-status", "done")
        agents.wait_until("done")
        expect(agents.get("message-assistant")).to_have_count(2)
        expect(agents.answer).to_contain_text("42")
        expect(agents.get("trial-state")).to_be_hidden()
        agents.get("trial-in-chat").click()
        expect(ChatPage(page).get("message-assistant")).to_have_count(2)


def test_the_narrator_shows_what_its_controller_says_to_whoever_posts(page: Page, agency: Agency) -> None:
    url, agent = agency.api.url, agency.make()
    sent: list[Json] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(json.loads(text))))
    agents = AgentsPage(page).open(url, agent)
    agents.get("narrator").locator("summary").click()
    agents.get("narrator-message").fill("Is anybody there?")
    agents.get("narrator-post").click()
    expect(agents.get("narrator-problem")).to_contain_text("no controller")
    wanted = {"agentId": agent, "ttlSeconds": 300}
    lease = httpx.put(f"{url}/controllers/controller", json=wanted, timeout=PATIENCE_SECONDS)
    agents.get("narrator-post").click()
    expect(agents.get("narration")).to_have_count(2)
    expect(agents.get("narration").first).to_contain_text("Is anybody there?")
    expect(agents.get("narration").last).to_contain_text("demo provider")
    post = {"message": "From elsewhere", "conversationId": sent[0]["conversationId"]}
    httpx.post(f"{url}/narrator/messages", json=post, timeout=PATIENCE_SECONDS).raise_for_status()
    expect(agents.get("narration")).to_have_count(4)
    expect(agents.get("narration").nth(2)).to_contain_text("From elsewhere")
    page.reload()
    agents.get("narrator").locator("summary").click()
    expect(agents.get("narration")).to_have_count(4)
    httpx.delete(f"{url}/controllers/controller", params={"leaseId": lease.json()["leaseId"]}, timeout=PATIENCE_SECONDS)
