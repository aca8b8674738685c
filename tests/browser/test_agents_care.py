"""What the page of agents takes care of: unsaved changes, small screens, keys alone, foreign text, a lost network."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.agents_page import AgentsPage, FakeAgents, agent
from tests.browser.conftest import NewContext, Site

XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"""
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, [tabindex='0'], dialog")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => !(element.ariaLabel || element.textContent.trim() || element.labels?.length
    || element.getAttribute("aria-labelledby")))
  .map((element) => element.outerHTML.slice(0, 120))"""
BROKEN_IDS = """() => ["aria-labelledby", "aria-describedby", "for"].flatMap((name) =>
  [...document.querySelectorAll(`[${name}]`)].flatMap((element) => element.getAttribute(name).split(/\\s+/))
    .filter((id) => id && !document.getElementById(id)))"""
DOUBLED_IDS = """() => [...document.querySelectorAll("[id]")].map(({ id }) => id)
  .filter((id, index, all) => all.indexOf(id) !== index)"""


@pytest.fixture
def api(page: Page) -> FakeAgents:
    long = agent("long", name="A very long name " * 8, system_prompt="word " * 400, tools=["calculator", "gone"])
    return FakeAgents(page, agent("clerk", name="Clerk"), agent("fixed", name="Fixed", editable=False), long)


def test_unsaved_changes_are_left_only_on_purpose(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    agents.get("system_prompt").fill("Changed.")
    expect(agents.get("save-state")).to_have_text("Not saved yet")
    agents.item("Fixed").click()
    agents.get("confirm-no").click()
    expect(page).to_have_url(f"{site.api.url}/agents#clerk")
    expect(agents.get("system_prompt")).to_have_value("Changed.")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.evaluate("setTimeout(() => location.reload())")
    page.wait_for_event("dialog")
    expect(agents.get("system_prompt")).to_have_value("Changed.")
    agents.item("Fixed").click()
    agents.get("confirm-yes").click()
    expect(agents.get("agent-title")).to_have_text("Fixed")
    page.go_back()
    expect(agents.get("system_prompt")).to_have_value("You answer.")
    agents.get("name").fill("Other")
    agents.get("discard").click()
    agents.get("confirm-yes").click()
    expect(agents.get("name")).to_have_value("Clerk")
    expect(agents.get("save-state")).to_have_text("Saved")


def test_what_is_changed_back_is_not_changed(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "long")
    box = page.get_by_label("calculator", exact=True)
    box.uncheck()
    expect(agents.get("save-state")).to_have_text("Not saved yet")
    box.check()
    expect(agents.get("save-state")).to_have_text("Saved")
    agents.item("clerk").click()
    expect(agents.get("agent-title")).to_have_text("Clerk")


def test_a_lost_network_keeps_all_that_was_written(
    page: Page, context: BrowserContext, api: FakeAgents, site: Site
) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    agents.get("system_prompt").fill("Do not lose me.")
    page.route("**/agents/clerk", lambda route: route.abort())
    agents.get("save").click()
    expect(agents.get("form-problem")).to_contain_text("It was not saved.")
    expect(agents.get("form-problem")).to_contain_text("cannot be reached")
    expect(agents.get("system_prompt")).to_have_value("Do not lose me.")
    page.unroute("**/agents/clerk")
    agents.save()
    expect(agents.get("form-problem")).to_be_hidden()
    assert api.puts[-1][0]["system_prompt"] == "Do not lose me."
    assert api.puts[-1][1]["if-match"] == '"1"'


def test_a_list_that_cannot_be_had_is_told_and_asked_for_again(page: Page, api: FakeAgents, site: Site) -> None:
    page.route("**/tools", lambda route: route.abort())
    agents = AgentsPage(page).open(site.api.url, "clerk")
    expect(agents.get("list-problem")).to_contain_text("cannot be reached")
    page.unroute("**/tools")
    agents.get("retry-list").click()
    expect(agents.get("agent-title")).to_have_text("Clerk")
    expect(agents.get("list-problem")).to_be_hidden()


def test_a_deletion_of_what_somebody_else_has_changed_is_not_done(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    api.refusals.append((412, {"code": "precondition_failed", "detail": "it was changed meanwhile"}))
    api.agents["clerk"] = agent("clerk", name="Changed clerk", etag='"2"')
    agents.get("delete").click()
    agents.get("confirm-yes").click()
    expect(agents.get("form-problem")).to_contain_text("somebody else has changed it")
    expect(agents.get("name")).to_have_value("Changed clerk")


def test_markup_in_agents_is_text(page: Page, site: Site) -> None:
    api = FakeAgents(
        page, agent("evil", name=XSS, system_prompt=XSS, markdown_context=f"{XSS} [x](javascript:alert(1))")
    )
    api.agents["evil"]["tools"] = [XSS]
    agents = AgentsPage(page).open(site.api.url, "evil")
    expect(agents.get("agent-title")).to_have_text(XSS)
    agents.get("context-preview").click()
    expect(agents.get("preview")).to_contain_text(XSS)
    expect(agents.get("preview").locator("a[href^='javascript:']")).to_have_count(0)
    expect(page.locator("main img, main script")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_the_context_is_previewed_as_the_chat_shows_markdown(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "clerk")
    agents.get("markdown_context").fill("## Rules\n\n- **be** brief\n\n```python\nprint(1)\n```")
    agents.get("context-preview").click()
    expect(agents.get("preview").locator("h2")).to_have_text("Rules")
    expect(agents.get("preview").locator("pre code.hljs")).to_be_visible()
    agents.get("context-write").click()
    expect(agents.get("markdown_context")).to_be_visible()


def test_the_search_finds_by_name_and_id(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url)
    page.keyboard.press("/")
    expect(agents.get("search")).to_be_focused()
    page.keyboard.type("cl")
    expect(agents.get("agent-item")).to_have_count(1)
    agents.get("search").fill("nobody")
    expect(agents.get("list-note")).to_have_text("No agent matches.")
    page.keyboard.press("Escape")
    expect(agents.get("agent-item")).to_have_count(3)


def test_all_of_it_is_done_by_keys_alone(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url)
    agents.get("new-agent").focus()
    page.keyboard.press("Enter")
    expect(agents.get("name")).to_be_focused()
    page.keyboard.type("Keys")
    page.keyboard.press("Tab")
    expect(agents.get("id")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("By keys.")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(agents.get("preview")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.get_by_label("clock", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Control+s")
    expect(agents.get("save-state")).to_have_text("Saved")
    assert (api.puts[0][0]["system_prompt"], api.puts[0][0]["tools"]) == ("By keys.", ["clock"])
    expect(page.get_by_label("clock", exact=True)).to_be_focused()
    agents.get("trial-message").focus()
    page.keyboard.type("Go")
    page.keyboard.press("Enter")
    api.socket.wait_for(heard=1)
    agents.get("delete").focus()
    page.keyboard.press("Enter")
    expect(agents.get("confirm-no")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(agents.item("keys")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_everything_has_a_name_for_those_who_do_not_see_it(page: Page, api: FakeAgents, site: Site) -> None:
    agents = AgentsPage(page).open(site.api.url, "long")
    agents.get("narrator").locator("summary").click()
    page.get_by_text("More options").click()
    agents.ask("Go")
    api.socket.wait_for(heard=1)
    api.socket.start()
    api.socket.tell("step", "1.1.1", step=1, name="step 1", status="start")
    api.socket.call("1.1.2", "a", "search", {})
    expect(agents.get("tool-call")).to_be_visible()
    for script in (NAMELESS, BROKEN_IDS, DOUBLED_IDS):
        assert page.evaluate(script) == []
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_visible()
    expect(page.get_by_role("group", name="Tools of step 1")).to_be_visible()
    expect(page.get_by_role("checkbox", name="calculator", exact=True)).to_have_accessible_description("Calculates.")


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_one_thing_at_a_time_and_needs_no_sideways_scroll(
    new_context: NewContext, site: Site, width: int, scheme: str
) -> None:
    viewport = {"width": width, "height": 700}
    page = new_context(viewport=viewport, color_scheme=scheme, has_touch=True, is_mobile=True).new_page()
    FakeAgents(page, agent("long", name="unbroken" * 20, system_prompt="unbroken" * 80, tools=["x" * 64]))
    agents = AgentsPage(page).open(site.api.url)
    expect(agents.get("no-agent")).to_be_hidden()
    agents.get("agent-item").click()
    expect(agents.get("agents")).to_be_hidden()
    expect(agents.get("trial-message")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    agents.get("view-try").click()
    expect(agents.get("system_prompt")).to_be_hidden()
    agents.ask("unbroken" * 30)
    expect(agents.get("message-user")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    agents.get("back").click()
    expect(agents.get("agent-item")).to_be_visible()
    expect(page).to_have_url(f"{site.api.url}/agents")
