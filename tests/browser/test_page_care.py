"""What the page takes care of: typed text, good answers, maths and signs as they were meant, scripts of its own age."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import NewContext, Site
from tests.client import numbered
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.stack import Stack

TYPED = "Please do not lose me"


@pytest.fixture(scope="module")
def demo(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Stack(tmp_path_factory.mktemp("care"), OPENAI_API_KEY="") as stack:
        yield stack.start_api()


def ask_for(page: Page, **fields: Any) -> None:
    """Of the API, with the page's next questions."""

    def change(route: Route) -> None:
        route.continue_(post_data=json.dumps({**json.loads(route.request.post_data or "{}"), **fields}))

    page.unroute("**/chat")
    page.route("**/chat", change)


def draw(page: Page, markdown: str) -> str:
    """The HTML that the page makes of it."""
    page.evaluate("text => new Hopstream.Answer(document.querySelector('#drawn')).show(text, true)", markdown)
    return page.locator("#drawn").inner_html()


@pytest.fixture
def paper(page: Page, demo: Api) -> Page:
    ChatPage(page).open(demo.url)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div id=drawn class=answer></div>')")
    return page


def test_scripts_are_never_older_than_the_page(demo: Api) -> None:
    assert httpx.get(f"{demo.url}/", timeout=PATIENCE_SECONDS).headers["cache-control"] == "no-cache"
    assets = [f"{demo.url}/{path}" for path in ("assets/app.js", "assets/base.css", "assets/vendor/marked.min.js")]
    for response in map(httpx.get, assets):
        assert response.headers["cache-control"] == "no-cache"
        again = httpx.get(response.url, headers={"If-None-Match": response.headers["etag"]}, timeout=PATIENCE_SECONDS)
        assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize("edited", [None, "And not this either"])
def test_a_message_that_lost_against_another_tab_s_stays(
    page: Page, context: BrowserContext, site: Site, edited: str | None
) -> None:
    with site.holding(20):
        first = ChatPage(page).open(site.api.url)
        first.send("Count for me")
        first.wait_for_text("t000010")
        second = ChatPage(context.new_page())
        second.page.route("**/sessions/**", lambda route: route.fulfill(status=503))  # it does not know of the other
        second.open(page.url)
        second.send(TYPED)
        expect(second.get("problem")).to_contain_text("not finished")
        second.page.unroute("**/sessions/**")
        if edited:
            second.get("message-input").fill(edited)
        second.page.bring_to_front()
        second.page.evaluate("dispatchEvent(new Event('focus'))")  # now it does
        expect(second.get("message-user")).to_have_count(1)
        second.get("problem").get_by_test_id("retry").click()
        expect(second.get("message-input")).to_have_value(edited or TYPED)
        second.page.reload()
        expect(second.get("message-input")).to_have_value(edited or TYPED)
    first.wait_until("done")
    second.get("message-input").press("Enter")
    expect(second.get("message-user")).to_have_count(2)
    second.wait_until("done")


def test_a_look_that_fails_late_hides_no_later_one(page: Page, context: BrowserContext, site: Site) -> None:
    first = ChatPage(page).open(site.api.url)
    first.send("Count for me")
    first.wait_until("done")
    second = ChatPage(context.new_page())
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    second.page.route("**/sessions/**", hold_the_first)
    with second.page.expect_request("**/sessions/*"):
        second.page.goto(page.url)
    second.page.evaluate("dispatchEvent(new Event('focus'))")
    held[0].fulfill(status=503)
    expect(second.get("message-user")).to_have_count(1)


def stop_it(chat: ChatPage, site: Site) -> None:
    with site.holding(20):
        chat.get("regenerate").click()
        chat.wait_for_text("t000010")
        chat.get("stop").click()
        expect(chat.get("outcome-note")).to_have_text("The new answer was stopped.")


def fail_it(chat: ChatPage, _: Site) -> None:
    ask_for(chat.page, model="mock?status=400")
    chat.get("regenerate").click()
    expect(chat.get("outcome-note")).to_contain_text("The new answer failed: the model's service answered 400")


@pytest.mark.parametrize("spoil", [stop_it, fail_it])
def test_a_good_answer_outlives_a_new_one_that_fails(
    page: Page, site: Site, spoil: Callable[[ChatPage, Site], None]
) -> None:
    chat = ChatPage(page).open(site.api.url)
    chat.send("Count for me")
    chat.wait_until("done")
    spoil(chat, site)
    for _ in range(2):
        assert chat.text() == numbered(150)
        expect(chat.get("version")).to_have_text("1/2")
        chat.get("newer-version").click()
        expect(chat.get("version")).to_have_text("2/2")
        assert chat.text() != numbered(150)
        chat.get("older-version").click()
        expect(chat.get("version")).to_have_text("1/2")
        page.reload()
        chat.wait_until("done")
    page.unroute("**/chat")
    chat.get("regenerate").click()
    expect(chat.get("version")).to_have_text("3/3")
    chat.wait_until("done")
    assert chat.text() == numbered(150)


def test_enter_makes_a_line_where_there_is_no_other_key_for_it(new_context: NewContext, demo: Api) -> None:
    context = new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    chat = ChatPage(context.new_page()).open(demo.url)
    chat.choose("direct")
    field = chat.get("message-input")
    field.press_sequentially("first line")
    field.press("Enter")
    field.press_sequentially("second line")
    expect(field).to_have_value("first line\nsecond line")
    chat.get("send").click()
    expect(chat.get("message-user")).to_contain_text("second line")


@pytest.mark.parametrize(
    ("markdown", "struck"),
    [
        ("costs 10~20 and 30~40", []),
        ("H~2~O and 10~20元", []),
        ("~one~", []),
        ("~~two~~", ["two"]),
        ("~~a ~ b~~ and ~c~", ["a ~ b"]),
        ("~~**bold** text~~", ["bold text"]),
        ("~~~\\ncode\\n~~~", []),
        ("~~ open ~~", []),
    ],
)
def test_one_tilde_strikes_nothing_out(paper: Page, markdown: str, struck: list[str]) -> None:
    draw(paper, markdown)
    assert paper.locator("#drawn del").all_text_contents() == struck
    if not struck and "code" not in markdown:
        assert paper.locator("#drawn").inner_text() == markdown


@pytest.mark.parametrize(
    ("markdown", "tex", "displayed"),
    [
        (r"so \(e^{i\pi} + 1 = 0\) it is", [r"e^{i\pi} + 1 = 0"], False),
        (r"\[ \int_0^1 x\,dx \]", [r"\int_0^1 x\,dx"], True),
        (
            "$$\n\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}\n$$",
            [r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}"],
            True,
        ),
        (
            "\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}",
            ["\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}"],
            True,
        ),
        (r"between $a_1 * b_1$ and $c_2 * d_2$", ["a_1 * b_1", "c_2 * d_2"], False),
        ("- one $x^2$\n- two \\(y\\)", ["x^2", "y"], False),
        ("| a | b |\n| - | - |\n| $x$ | \\(y\\) |", ["x", "y"], False),
        ("**bold $x$**", ["x"], False),
    ],
)
def test_maths_is_maths(paper: Page, markdown: str, tex: list[str], displayed: bool) -> None:
    draw(paper, markdown)
    expect(paper.locator("#drawn math")).to_have_count(len(tex))
    sources = paper.locator("#drawn annotation").all_text_contents()
    assert [source.strip() for source in sources] == tex
    assert paper.locator("#drawn math[display=block]").count() == (len(tex) if displayed else 0)
    assert paper.locator("#drawn [style], #drawn a").count() == 0


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and not $10.",
        "From $5 to $10, or 5$ and 10$",
        "`$x$` and `\\(y\\)`",
        "a $ b $ c",
        "$HOME and $PATH are set",
    ],
)
def test_money_and_code_are_no_maths(paper: Page, text: str) -> None:
    draw(paper, text)
    assert paper.locator("#drawn math, #drawn .maths").count() == 0
    assert paper.locator("#drawn").inner_text() == text.replace("`", "")


@pytest.mark.parametrize("tex", [r"\frac{1}{", r"\undefinedcommand x", r"\href{javascript:alert(1)}{x}", "x" * 20_000])
def test_what_is_no_tex_is_shown_as_it_was_written(paper: Page, tex: str) -> None:
    draw(paper, f"before \\({tex}\\) after")
    paper.wait_for_function("() => window.temml")
    draw(paper, f"before \\({tex}\\) after.")
    shown = paper.locator("#drawn .maths, #drawn annotation")
    expect(shown).to_have_text(tex)
    assert paper.locator("#drawn a").count() == 0


def test_the_link_to_the_field_leaves_the_chat_where_it_is(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    chat.send("Hello")
    chat.wait_until("done")
    address = page.url
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(chat.get("message-input")).to_be_focused()
    assert page.url == address
    expect(chat.get("message-user")).to_contain_text("Hello")


def test_nothing_else_is_sent_while_a_message_is_looked_for(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    page.route("**/chat", lambda route: route.abort())
    chat.send(TYPED)
    expect(chat.get("problem")).to_be_visible()
    page.unroute("**/chat")
    held: list[Route] = []
    page.route("**/sessions/*", lambda route: held.append(route))
    with page.expect_request("**/sessions/*"):
        chat.get("problem").get_by_test_id("retry").click()
    chat.send("And another")
    expect(chat.get("message-input")).to_have_value("And another")
    held[0].fulfill(status=404, json={"status": 404, "code": "not_found", "detail": "there is none"})
    page.unroute("**/sessions/*")
    chat.wait_until("done")
    expect(chat.get("message-user")).to_contain_text(TYPED)
    chat.get("message-input").press("Enter")
    expect(chat.get("message-user")).to_contain_text([TYPED, "And another"])


def test_the_next_version_is_reached_by_the_same_key(page: Page, demo: Api) -> None:
    chat = ChatPage(page).open(demo.url)
    chat.choose("direct")
    chat.send("Hello")
    chat.wait_until("done")
    for _ in range(2):
        chat.get("regenerate").click()
        chat.wait_until("done")
    chat.get("older-version").focus()
    for place in ("2/3", "1/3"):
        page.keyboard.press("Enter")
        expect(chat.get("version")).to_have_text(place)
    expect(chat.get("newer-version")).to_be_focused()
