"""What the page says of models: which one answers, what it thinks, asks of tools and takes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.processes import Api
from tests.stack import Stack

MODELS = """
[[model]]
name = "usual"
provider = "openai"
base_url = "{url}/v1"
model = "mock?tokens=5"
prices = {{ input = 1, output = 2 }}

[[model]]
name = "thinker"
provider = "openai"
base_url = "{url}/v1"
model = "mock?tokens=5&reasoning=20&rate=50&hold_after=10&id=thinker"
reasoning = true

[[model]]
name = "with-tools"
provider = "openai"
base_url = "{url}/v1"
model = "mock?tokens=2&tools=2"
"""


@pytest.fixture(scope="module")
def stack(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("models")) as stack:
        yield stack


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    models = Path(stack.home / "models.toml")
    models.write_text(MODELS.format(url=stack.mock_url))
    stack.start_worker(MODELS_FILE=str(models))
    return stack.start_api(MODELS_FILE=str(models))


@pytest.fixture
def chat(page: Page, api: Api) -> ChatPage:
    return ChatPage(page).open(api.url)


def test_another_model_is_picked_and_remembered(chat: ChatPage, api: Api) -> None:
    picker = chat.get("model")
    expect(picker).to_be_visible()
    assert picker.locator("option").all_text_contents() == ["usual", "thinker", "with-tools"]
    chat.send("hi")
    chat.wait_until("done")
    expect(chat.answer.locator(".facts")).to_contain_text("mock?tokens=5 ")
    picker.select_option("with-tools")
    chat.page.reload()
    expect(picker).to_have_value("with-tools")
    chat.send("hi again")
    chat.wait_until("done")
    expect(chat.get("tool-call")).to_have_count(2)


def test_a_model_that_is_gone_is_not_asked_for(chat: ChatPage) -> None:
    expect(chat.get("model")).to_be_visible()
    chat.page.evaluate("localStorage.setItem('hopstream.model', 'gone')")
    chat.page.reload()
    expect(chat.get("model")).to_be_visible()
    expect(chat.get("model")).to_have_value("")


def test_one_model_leaves_nothing_to_pick(page: Page, api: Api) -> None:
    def one(route: Route) -> None:
        told = route.fetch().json()
        route.fulfill(json={"models": told["models"][:1]})

    page.route("**/models", one)
    with page.expect_response("**/models"):
        chat = ChatPage(page).open(api.url)
    expect(chat.get("model")).to_be_hidden()


def test_thoughts_are_open_while_they_grow_and_fold_with_their_time(chat: ChatPage, stack: Stack) -> None:
    chat.get("model").select_option("thinker")
    chat.send("Think first")
    thoughts = chat.get("reasoning")
    expect(thoughts).to_contain_text("r000005")
    expect(thoughts).to_have_attribute("open", "")
    expect(thoughts.locator("summary")).to_have_text("Thinking…")
    stack.release("thinker")
    chat.wait_until("done")
    expect(thoughts).not_to_have_attribute("open", "")
    expect(thoughts.locator("summary")).to_have_text(re.compile(r"^Thought for \d+ seconds?$"))
    chat.page.reload()
    expect(thoughts.locator("summary")).to_have_text(re.compile(r"^Thought for \d+ seconds?$"))


def test_tools_are_told_with_name_and_arguments(chat: ChatPage) -> None:
    chat.get("model").select_option("with-tools")
    chat.send("Use your tools")
    chat.wait_until("done")
    for _ in range(2):
        call = chat.get("tool-call").first
        expect(call.locator("summary")).to_have_text("lookupquery: tea in Żywiec, limit: 3")
        call.locator("summary").click()
        expect(call.get_by_test_id("tool-arguments")).to_have_text('{\n  "query": "tea in Żywiec",\n  "limit": 3\n}')
        expect(chat.get("outcome-note")).to_have_text("The model asked for a tool.")
        chat.page.reload()


def test_what_an_answer_took_is_told_on_demand(chat: ChatPage) -> None:
    chat.get("model").select_option("usual")
    chat.send("hi")
    chat.wait_until("done")
    details, listed = chat.get("details"), chat.get("details-list")
    expect(listed).to_be_hidden()
    details.click()
    expect(details).to_have_attribute("aria-expanded", "true")
    for fact in ("Model", "mock?tokens=5", "Provider", "openai", "Tokens in", "Tokens out", "First token", "Cost"):
        expect(listed).to_contain_text(fact)
    details.click()
    expect(listed).to_be_hidden()
