"""The page of agents on a real stack: made, changed, deleted, and nothing is lost by what others do meanwhile."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.agency import Agency, new_word, start_agency
from tests.browser.agents_page import AgentsPage
from tests.browser.conftest import NewContext
from tests.client import get, new_session
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT

ALICE = "alice-3b1f0c77d5e2"
PEOPLE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def guarded(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    home = tmp_path_factory.mktemp("guarded-agency")
    with start_agency(home, API_KEYS=f"alice:{ALICE}", ENV="production") as agency:
        yield agency


def test_one_address_has_a_page_for_people_and_json_for_programs(agency: Agency) -> None:
    url = f"{agency.api.url}/agents"
    page = httpx.get(url, headers={"Accept": PEOPLE}, timeout=PATIENCE_SECONDS)
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    told = get(url)
    assert "planner" in [agent["id"] for agent in told.json()["agents"]]
    for response in (page, told):
        assert "accept" in response.headers["vary"].lower()


def test_strangers_see_the_page_but_no_agent(guarded: Agency) -> None:
    url = f"{guarded.api.url}/agents"
    assert httpx.get(url, headers={"Accept": PEOPLE}, timeout=PATIENCE_SECONDS).status_code == 200
    assert get(url).status_code == 401


def test_an_agent_is_made_changed_and_deleted(page: Page, agency: Agency) -> None:
    agents = AgentsPage(page).open(agency.api.url)
    agents.get("new-agent").click()
    expect(agents.get("name")).to_be_focused()
    name = f"Röver & {new_word()}"
    agents.get("name").fill(name)
    agent_id = agents.get("id").input_value()
    assert re.fullmatch(r"rover-word-[0-9a-f]{8}", agent_id)
    agents.get("system_prompt").fill("You review.")
    agents.get("markdown_context").fill("- Be brief.")
    agents.get("agent-model").select_option("demo:slow")
    agents.get("option-temperature").fill("0.3")
    agents.get("option-max_tokens").fill("50")
    page.get_by_text("More options").click()
    agents.get("option-stop").fill("\\n\\n\nEND")
    page.get_by_label("calculator", exact=True).check()
    expect(agents.get("trial-note")).to_contain_text("Save the agent")
    agents.save()
    expect(page).to_have_url(f"{agency.api.url}/agents#{agent_id}")
    stored = agency.read(agent_id)
    options = {"temperature": 0.3, "max_tokens": 50, "stop": ["\n\n", "END"]}
    assert (stored["name"], stored["system_prompt"]) == (name, "You review.")
    assert (stored["markdown_context"], stored["model"]) == ("- Be brief.", "demo:slow")
    assert (stored["options"], stored["tools"]) == (options, ["calculator"])
    page.reload()
    expect(agents.get("option-stop")).to_have_value("\\n\\n\nEND")
    expect(agents.get("save-state")).to_have_text("Saved")
    agents.get("option-temperature").fill("")
    agents.get("agent-model").select_option("")
    agents.save()
    assert (agency.read(agent_id)["options"].get("temperature"), agency.read(agent_id)["model"]) == (None, None)
    agents.get("delete").click()
    agents.get("confirm-yes").click()
    expect(agents.item(agent_id)).to_have_count(0)
    expect(agents.get("no-agent")).to_be_visible()
    assert get(f"{agency.api.url}/agents/{agent_id}").status_code == 404


def test_a_duplicate_is_another_agent(page: Page, agency: Agency) -> None:
    agent = agency.make(system_prompt="You are the first.", options={"temperature": 0.5})
    agents = AgentsPage(page).open(agency.api.url, agent)
    agents.get("duplicate").click()
    expect(agents.get("id")).to_have_value(f"{agent}-copy")
    agents.get("system_prompt").fill("You are the second.")
    agents.save()
    assert agency.read(f"{agent}-copy")["options"] == {"temperature": 0.5}
    assert agency.read(agent)["system_prompt"] == "You are the first."


def test_what_the_api_finds_wrong_is_told_at_the_field(page: Page, agency: Agency) -> None:
    agents = AgentsPage(page).open(agency.api.url, "/new")
    agents.get("save").click()
    expect(page.locator("#name-error")).to_have_text("Please fill this in.")
    expect(agents.get("name")).to_be_focused()
    agents.get("name").fill("x" * 300)
    agents.get("id").fill("Not an Id")
    agents.get("system_prompt").fill("You answer.")
    agents.get("save").click()
    expect(page.locator("#id-error")).to_be_visible()
    agents.get("id").fill(f"x-{new_word()}")
    agents.get("save").click()
    expect(page.locator("#name-error")).to_contain_text("200")
    expect(agents.get("name")).to_have_attribute("aria-invalid", "true")
    expect(agents.get("name")).to_be_focused()
    agents.get("name").fill("short")
    expect(page.locator("#name-error")).to_be_hidden()
    agents.get("option-temperature").fill("3")
    agents.get("save").click()
    expect(page.locator("#option-temperature-error")).to_be_visible()
    agents.get("option-temperature").fill("1")
    agents.get("id").fill("planner")
    agents.get("save").click()
    expect(page.locator("#id-error")).to_contain_text("already")


@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_a_change_by_somebody_else_is_shown_and_one_chooses(page: Page, agency: Agency, choice: str) -> None:
    agent = agency.make(system_prompt="As it was.")
    agents = AgentsPage(page).open(agency.api.url, agent)
    agents.get("system_prompt").fill("Mine.")
    agency.change(agent, system_prompt="Theirs, <b>bold</b>.")
    agents.get("save").click()
    expect(agents.get("conflict-table")).to_contain_text("Theirs, <b>bold</b>.")
    expect(agents.get("conflict-table").locator("tbody tr")).to_have_count(1)
    agents.get("conflict-wait").click()
    expect(agents.get("system_prompt")).to_have_value("Mine.")
    agents.get("save").click()
    agents.get(f"conflict-{choice}").click()
    expect(agents.get("save-state")).to_have_text("Saved")
    kept = "Mine." if choice == "mine" else "Theirs, <b>bold</b>."
    expect(agents.get("system_prompt")).to_have_value(kept)
    assert agency.read(agent)["system_prompt"] == kept


def test_one_that_somebody_else_has_deleted_can_be_stored_again(page: Page, agency: Agency) -> None:
    agent = agency.make()
    agents = AgentsPage(page).open(agency.api.url, agent)
    agents.get("system_prompt").fill("Mine.")
    agency.delete(agent)
    agents.get("save").click()
    expect(agents.get("conflict")).to_contain_text("has deleted this agent")
    agents.get("conflict-mine").click()
    expect(agents.get("save-state")).to_have_text("Saved")
    assert agency.read(agent)["system_prompt"] == "Mine."


def test_with_keys_the_operator_s_agents_are_read_only_and_can_be_duplicated(page: Page, guarded: Agency) -> None:
    agents = AgentsPage(page)
    page.goto(f"{guarded.api.url}/agents#planner")
    agents.get("api-key").fill(ALICE)
    agents.get("use-key").click()
    expect(agents.get("read-only")).to_contain_text("This agent is the operator")
    expect(agents.get("system_prompt")).to_have_attribute("readonly", "")
    expect(agents.get("agent-model")).to_be_disabled()
    for hidden in ("save", "discard", "delete"):
        expect(agents.get(hidden)).to_be_hidden()
    agents.ask("Hello")
    agents.wait_until("done")
    agents.get("duplicate").click()
    agents.get("id").fill("my-planner")
    agents.save()
    expect(agents.get("read-only")).to_be_hidden()
    expect(agents.item("my-planner")).to_have_count(1)


def test_it_works_under_a_prefix(page: Page, agency: Agency) -> None:
    agent = agency.make()
    with agency.stack.as_before():
        api = agency.stack.start_api(ROOT_PATH="/our/chat")
        agents = AgentsPage(page).open(f"{api.url}/our/chat", agent)
        agents.ask("What is 6 * 7?")
        agents.wait_until("done")
        agents.get("system_prompt").fill("Changed.")
        agents.save()
        for link, place in (("open-chat", ""), ("open-agents", "agents"), ("open-streams", "streams")):
            page.get_by_test_id(link).click()
            expect(page).to_have_url(f"{api.url}/our/chat/{place}")
        page.get_by_test_id("open-agents").click()
        expect(agents.item(agent)).to_have_count(1)


def test_it_works_as_a_file_where_the_api_allows_it(new_context: NewContext, agency: Agency) -> None:
    agent = agency.make()
    with agency.stack.as_before():
        api = agency.stack.start_api(CORS_ORIGINS="null")
        agents = AgentsPage(new_context().new_page())
        agents.page.goto(f"{(ROOT / 'web' / 'agents.html').as_uri()}?{urlencode({'api': api.url})}#{agent}")
        agents.wait_until_ready()
        agents.get("system_prompt").fill("Changed.")
        agents.save()
        agents.ask("What is 6 * 7?")
        agents.wait_until("done")
    assert agency.read(agent)["system_prompt"] == "Changed."


def test_an_agent_that_is_not_there_is_told(page: Page, agency: Agency) -> None:
    agents = AgentsPage(page).open(agency.api.url, f"gone-{new_session()}")
    expect(agents.get("no-agent")).to_contain_text("There is no agent")
