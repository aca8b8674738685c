"""One line of a log: opened, copied, coloured; and nothing that is in it ever does anything."""

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.log_gateway import LogGateway
from tests.browser.logs_page import LogsPage

TRACE = "Request failed\nTraceback (most recent call last):\n" + "\n".join(
    f'  File "a.py", line {n}' for n in range(11)
)
COLOURED = "\x1b[32mINFO\x1b[0m \x1b[1;4mbold\x1b[22;24m \x1b[38;5;208morange \x1b[41mred back"
MANIES = ["<b>", "\x1b[31m", "\x1b]0;title\x07", "\u202e", "\0", "<img src=x onerror=hacked()>", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞"]
HOSTILE = [
    "<script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    '"><svg onload=hacked()>',
    "javascript:hacked()",
    "<style>body{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=//elsewhere.example'>",
    "<iframe srcdoc='<script>parent.hacked()</script>'></iframe>",
    "</div></main><h1>elsewhere</h1>",
    "<template shadowrootmode=open><b>x</b></template>",
    "{{constructor.constructor('hacked()')()}}",
    "\x1b]8;;javascript:hacked()\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]0;a title\x07",
    "\x1b]52;c;aGFja2Vk\x07",
    "\x1b[2J\x1b[H\x1b[?1049h\x1b[?25l",
    "\x1b[31m never reset",
    "\x1b[8m hidden",
    "\x1b]unended hides nothing",
    "\x1b[999999999999;1;38;5;999m far",
    "\x1b[38;2;1;2m half",
    "\x9b31m eight bits",
    "\u202eright to left override\u202c",
    "\u2066isolate never ended",
    "\u200b\u200e\u200f\ufeff\u2060unseen",
    "\u2028lines\u2029and paragraphs\u0085",
    "a\0b\x01\x02\x7f\x08\x0c",
    "back\rover",
    "\ud83d alone",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 emoji",
    "עברית and العربية",
    "ﷺ" * 50,
    MANIES[-1],
    "x" * 1_000_000,
    "<b>é" * 60_000,
    "\n" * 5_000,
    "\t" * 1_000,
    " ",
    "",
]
"""Each comes with some others before it, in a service's name and in a field: 200 and more."""


def test_a_stack_trace_is_one_row_and_opens_whole(page: Page, gateway: LogGateway) -> None:
    gateway.say(TRACE, level="error", fields={"request_id": "r1", "port": 8007, "deep": {"a": [1, "<b>"]}})
    logs = LogsPage(page).open(gateway.url)
    expect(logs.row("Request failed")).to_contain_text("+12 lines")
    expect(logs.row("Request failed")).not_to_contain_text("Traceback")
    logs.row("Request failed").click()
    assert logs.get("whole-text").inner_text() == TRACE
    expect(logs.get("fields")).to_have_text(
        re.compile(r'request_id\s*r1\s*port\s*8007\s*deep\s*{\s*"a": \[\s*1,\s*"<b>"')
    )
    logs.get("close-panel").click()
    expect(logs.get("panel")).to_be_hidden()
    expect(logs.list).to_be_focused()


def test_it_is_copied_as_it_was(page: Page, context: BrowserContext, gateway: LogGateway) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    fields = {"request_id": "r1"}
    texts = [TRACE, COLOURED, "tab\tand  spaces ", "long " * 50_000]
    for text in texts:
        gateway.say(text, level="error", fields=fields)
    logs = LogsPage(page).open(gateway.url)

    def copied(button: str) -> str:
        logs.get(button).click()
        expect(logs.get(button)).to_have_attribute("data-copied", "")
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    logs.list.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    for text in texts:
        assert copied("copy-line") == text
        assert json.loads(copied("copy-json")) | {"time": ""} == {
            "time": "",
            "service": "api",
            "level": "error",
            "message": text,
            "request_id": "r1",
        }
        if text == COLOURED:
            assert copied("copy-plain") == "INFO bold orange red back"
        logs.list.focus()
        page.keyboard.press("ArrowDown")
    page.goto(copied("copy-link"))
    logs.wait_until_live()
    expect(page.locator(".is-selected")).to_contain_text("long long")


def test_a_huge_line_opens_whole_and_at_once(page: Page, gateway: LogGateway) -> None:
    gateway.say("\x1b[31m" + "0123456789abcde " * 16_384, cut=12)
    logs = LogsPage(page).open(gateway.url)
    expect(logs.rows).to_contain_text("long · cut by 12 B")
    assert len(logs.rows.locator(".row-text").inner_text()) <= 4_096
    logs.rows.click()
    expect(logs.get("whole-text").locator("div")).not_to_have_count(0)
    page.wait_for_function("() => document.querySelector('.whole-text').textContent.length === 262144")
    expect(logs.get("panel")).to_contain_text("12 B of it were left out")


def test_colours_are_shown_and_end_with_their_line(page: Page, gateway: LogGateway) -> None:
    gateway.say(COLOURED)
    gateway.say("\x1b[31mred\nnot red")
    gateway.say("plain \x1b[?25l\x1b]0;x\x07text")
    logs = LogsPage(page).open(gateway.url)
    row = logs.row("INFO")
    expect(row.locator(".sgr-2")).to_have_text("INFO")
    expect(row.locator(".sgr-bold.sgr-underline")).to_have_text("bold")
    expect(row.locator(".sgr-back")).to_have_text("red back")
    expect(row.locator("[style*=color-mix]")).to_have_text("orange ")
    expect(logs.row("plain").locator(".row-text")).to_have_text("plain text")
    expect(logs.row("plain").locator(".row-text *")).to_have_count(0)
    logs.row("red").last.click()
    expect(logs.get("whole-text").locator("div").first.locator(".sgr-1")).to_have_text("red")
    expect(logs.get("whole-text").locator("div").last.locator("*")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[39m", [[0, 3, {"fg": 1}]]),
        ("\x1b[91;1mred", [[0, 3, {"fg": 9, "bold": True}]]),
        ("\x1b[38;5;231mx\x1b[my", [[0, 1, {"fg": [255, 255, 255]}]]),
        ("\x1b[48:2::1:2:3mx", [[0, 1, {"bg": [1, 2, 3]}]]),
        ("\x1b[38;2;300;0;0mx", []),
        ("\x1b[38;5mx", []),
        ("\x1b[1m\x1b[22mx", []),
        ("\x1b[0;0;0mx", []),
    ],
)
def test_colours_are_read_as_terminals_do(page: Page, gateway: LogGateway, text: str, expected: list[object]) -> None:
    logs = LogsPage(page).open(gateway.url)
    read = "({ readSgr }, text) => readSgr(text).spans.map(({ start, end, style }) => [start, end, style])"
    assert logs.module("text/sgr.js", read, text) == expected


def test_hostile_lines_do_no_harm(page: Page, gateway: LogGateway) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.add_init_script("window.harm = []; window.hacked = () => harm.push(1);")
    page.add_init_script('addEventListener("securitypolicyviolation", ({ blockedURI }) => harm.push(blockedURI));')
    logs = LogsPage(page).open(gateway.url)
    tags, title = set(page.evaluate(TAGS)), page.title()
    gateway.say_all([{"message": "in order", "level": "info"}])
    for start in ["", *MANIES]:
        texts = [start + text for text in HOSTILE if not start or len(text) < 10_000]
        gateway.say_all([{"message": text, "service": text[:200], "fields": {text[:50]: text[:300]}} for text in texts])
    gateway.say(MANIES[5], level="<b>", channel="<b>", via="<b>", time="<b>", arrived="<b>", cut="<b>")
    gateway.tell_alerts({"name": HOSTILE[0], "service": HOSTILE[1], "text": HOSTILE[2], "since": "never"})
    gateway.tell("gap", {"lines": None, "why": HOSTILE[1]})
    total = len(gateway.lines)
    assert total > 200
    expect(logs.get("bar-lines")).to_have_text(f"{total + 1} lines here")
    page.keyboard.press("w")
    logs.list.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    for _ in range(total + 1):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    for menu in ("filter-service", "filter-channel"):
        logs.get(menu).locator("summary").click()
    page.locator(".alerts .text-button").click()
    logs.wait_until_loaded()
    assert page.evaluate("harm") == []
    assert set(page.evaluate(TAGS)) - tags <= {"MARK", "STRONG", "SMALL", "USE", "INPUT", "LABEL", "LI", "DD", "DT"}
    assert page.title() == title
    assert [url for url in requested if not url.startswith(gateway.url)] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_sign_is_unseen(page: Page, gateway: LogGateway) -> None:
    gateway.say("a\0b\u202ec\u200bd\re")
    logs = LogsPage(page).open(gateway.url)
    expect(logs.rows.locator(".row-text")).to_have_text("a␀b<202E>c<200B>d␍e")
    expect(logs.rows.locator(".sign")).to_have_count(4)


TAGS = "[...document.querySelectorAll('*')].map(({ tagName }) => tagName.toUpperCase())"
