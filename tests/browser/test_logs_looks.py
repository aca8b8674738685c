"""The page of logs for those who see it small, dark or not at all, and for those who have keys alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.log_gateway import LogGateway
from tests.browser.log_lines import iso
from tests.browser.logs_page import LogsPage
from tests.browser.test_agents_care import BROKEN_IDS, DOUBLED_IDS, NAMELESS

CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colours) => {
        canvas.fillStyle = "#fff";
        for (const colour of colours) {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const brightness = (colour) => colour
        .map((part) => part / 255)
        .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const look = (element) => getComputedStyle(element);
    const behind = (element) => (element ? [...behind(element.parentElement), look(element).backgroundColor] : []);
    const isPassedOver = (element) => !element.checkVisibility() || element.closest("dialog, .sr-only, option");
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const poor = new Set();
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || isPassedOver(element)) continue;
        const back = behind(element);
        const [one, other] = [rgb(back), rgb([...back, look(element).color])].map(brightness);
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) poor.add(`${element.className || element.tagName}: ${ratio.toFixed(1)}`);
    }
    return [...poor].join(", ");
}"""
"""Texts with less contrast than WCAG 1.4.3 wants."""


def fill(gateway: LogGateway) -> None:
    levels = ["trace", "debug", "info", "warning", "error", "critical", None]
    colours = "".join(f"\x1b[{code}mx{code} " for code in (*range(30, 38), *range(90, 98)))
    for number, level in enumerate(levels * 2):
        members = {"level": level} if level else {}
        gateway.say(f"{colours}\x1b[0munbroken{'x' * 300}", service=f"service-{number}", **members)
    gateway.say("one\ntwo\nthree", level="error", fields={"request_id": "r" * 200, "session_id": "s1"})
    gateway.models = [{"model": "m" * 60, "turns": 1, "input_tokens": 1, "output_tokens": 1}]
    gateway.firing = [{"name": "ManyErrors", "since": iso(0), "service": "api", "text": "t" * 300}]


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(
    new_context: NewContext, gateway: LogGateway, width: int, scheme: str
) -> None:
    fill(gateway)
    viewport = {"width": width, "height": 700}
    page = new_context(viewport=viewport, color_scheme=scheme, has_touch=True, is_mobile=True).new_page()
    logs = LogsPage(page).open(gateway.url)
    fits = "document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
    assert page.evaluate(fits)
    logs.get("figures-toggle").tap()
    expect(logs.get("totals")).to_contain_text("mmm")
    assert page.evaluate(fits)
    logs.get("figures-toggle").tap()
    logs.row("one").tap()
    expect(logs.get("same-request")).to_be_in_viewport()
    assert page.evaluate(fits)
    logs.get("same-request").tap()
    expect(logs.get("panel")).to_be_hidden()
    logs.expect_texts("one")
    logs.get("filter-service").locator("summary").tap()
    expect(logs.get("filter-service").get_by_label("service-3")).to_be_in_viewport()
    assert page.evaluate(fits)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(new_context: NewContext, gateway: LogGateway, scheme: str) -> None:
    fill(gateway)
    page = new_context(viewport={"width": 1200, "height": 900}, color_scheme=scheme).new_page()
    logs = LogsPage(page).open(gateway.url, "?q=x&mode=highlight")
    gateway.tell("gap", {"lines": 3, "why": "x"})
    gateway.tell("skipped", {"lines": 3})
    gateway.tell_status(redis="away")
    page.keyboard.press("c")
    logs.row("one").click()
    expect(logs.row("Redis is away")).to_be_visible()
    assert page.evaluate(CONTRAST) == ""
    gateway.stop()
    expect(logs.get("live-banner")).to_be_visible()
    assert page.evaluate(CONTRAST) == ""


def test_everything_has_a_name_for_those_who_do_not_see_it(page: Page, gateway: LogGateway) -> None:
    fill(gateway)
    logs = LogsPage(page).open(gateway.url)
    page.keyboard.press("c")
    logs.row("one").click()
    for menu in ("filter-service", "filter-channel", "filter-time", "download-menu"):
        logs.get(menu).locator("summary").click()
        for script in (NAMELESS, BROKEN_IDS, DOUBLED_IDS):
            assert page.evaluate(script) == []
    expect(page.get_by_role("log", name="Log lines")).to_have_attribute("aria-live", "off")
    expect(page.get_by_role("log")).to_have_accessible_description(re.compile("Arrow keys"))
    expect(page.get_by_role("searchbox", name="Text in a line")).to_be_visible()
    expect(page.get_by_role("combobox", name="Level")).to_be_visible()


def test_a_screen_reader_hears_how_many_came_and_errors_if_it_wants(page: Page, gateway: LogGateway) -> None:
    page.clock.install()
    logs = LogsPage(page)
    page.goto(gateway.url)
    page.clock.run_for(1_000)
    logs.wait_until_live()
    gateway.say_all([{"message": "fine"}] * 211 + [{"message": "wrong", "level": "error"}] * 3)
    page.clock.run_for(1_000)
    expect(logs.row("wrong").first).to_be_attached()
    expect(logs.get("summary")).to_be_empty()
    page.clock.run_for(8_000)
    expect(logs.get("summary")).to_have_text("214 new lines, 3 errors")
    expect(logs.get("announcer")).to_be_empty()
    logs.get("open-settings").click()
    logs.get("aloud").check()
    page.keyboard.press("Escape")
    gateway.say("\x1b[31mvery wrong", level="critical", service="worker")
    expect(logs.get("announcer")).to_have_text("critical of worker: very wrong")


def test_all_of_it_is_done_by_keys_alone(page: Page, gateway: LogGateway) -> None:
    gateway.say_all(
        [{"message": f"line {number}", "level": "error" if number == 7 else "info"} for number in range(10)]
    )
    logs = LogsPage(page).open(gateway.url)
    chosen = page.locator(".is-selected")
    page.keyboard.press("/")
    expect(logs.get("filter-text")).to_be_focused()
    page.keyboard.type("line ?")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    logs.find("")
    page.keyboard.press("Escape")
    expect(logs.list).to_be_focused()
    expect(logs.rows).to_have_count(10)
    for key, text in (("ArrowUp", "line 9"), ("k", "line 8"), ("j", "line 9"), ("E", "line 7"), ("Home", "line 0")):
        page.keyboard.press(key)
        expect(chosen).to_contain_text(text)
    expect(logs.get("announcer")).to_have_text("info api line 0")
    page.keyboard.press("Enter")
    expect(logs.get("whole-text")).to_have_text("line 0")
    page.keyboard.press("ArrowDown")
    expect(logs.get("whole-text")).to_have_text("line 1")
    page.keyboard.press("Escape")
    expect(logs.get("panel")).to_be_hidden()
    page.keyboard.press("End")
    expect(logs.get("bar-mode")).to_have_text("Following")
    page.keyboard.press("?")
    expect(logs.get("help")).to_contain_text("Pause, go on")
    page.keyboard.press("Escape")
    logs.get("wrap").focus()
    page.keyboard.press("Space")
    expect(logs.get("wrap")).to_have_attribute("aria-pressed", "true")
    expect(logs.get("pause")).to_have_attribute("aria-pressed", "false")


def test_a_selection_is_not_pulled_away(page: Page, gateway: LogGateway) -> None:
    gateway.say("some words")
    logs = LogsPage(page).open(gateway.url)
    box = logs.rows.locator(".row-text").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=3)
    page.mouse.up()
    expect(logs.get("bar-mode")).to_have_text("Paused")
    gateway.say("more")
    expect(logs.get("new-lines")).to_have_text("1 new line")
    assert page.evaluate("String(getSelection())").startswith("some w")
    expect(logs.get("panel")).to_be_hidden()
