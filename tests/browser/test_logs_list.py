"""The list of log lines: it follows, stays where somebody reads, and is quick with 100,000 lines."""

import re
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.log_gateway import LogGateway
from tests.browser.logs_page import LogsPage

MANY = 101_000
BATCH = 5_000
SCROLLS = 60
MOST_PER_THOUSAND_LINES = 0.3
MOST_PER_SCROLL = 0.25
"""Work of the page's main thread on a CPU, in parts of what it takes to lay out PLAIN_ROWS; about two and a half times
what is needed. The times between frames are those of everything else on the machine, too."""
PLAIN_ROWS = 10_000


LAY_OUT = """(rows) => {
    for (let laidOut = 0; laidOut < rows; laidOut += 500) {
        const box = document.createElement("div");
        for (let row = 0; row < 500; row += 1) {
            box.append(Object.assign(document.createElement("p"), { textContent: `row ${row}` }));
        }
        document.body.append(box);
        box.getBoundingClientRect();
        box.remove();
    }
}"""


def numbered(first: int, count: int, **members: Any) -> list[dict[str, Any]]:
    return [{"message": f"line {number:06}", "level": "info", **members} for number in range(first, first + count)]


def test_a_line_shows_at_once_with_what_it_is(page: Page, gateway: LogGateway) -> None:
    logs = LogsPage(page).open(gateway.url)
    gateway.say("Test message", service="redis", time="2026-11-29T20:57:01.123456Z", level="warning", via="publish")
    expect(logs.row("Test message")).to_contain_text(re.compile(r"\d\d:57:01\.123warnredisTest messagePUBLISH"))


def test_the_day_is_told_where_it_is_another(page: Page, gateway: LogGateway) -> None:
    gateway.say("long ago", time="2020-02-03T12:00:00Z")
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("list-day")).to_have_text("2020-02-03")
    gateway.say_all(numbered(0, 100))
    expect(logs.get("list-day")).to_be_hidden()


def test_what_was_said_before_and_what_comes_are_one_list(page: Page, gateway: LogGateway) -> None:
    gateway.say_all(numbered(0, 10))
    logs = LogsPage(page).open(gateway.url)
    gateway.say_all(numbered(10, 5))
    logs.expect_texts(*(f"line {number:06}" for number in range(15)))
    expect(logs.get("list-top")).to_contain_text("The first line that is kept")


def test_it_follows_until_somebody_scrolls_up_and_counts_what_comes(page: Page, gateway: LogGateway) -> None:
    gateway.say_all(numbered(0, 200))
    logs = LogsPage(page).open(gateway.url)
    expect(logs.row("line 000199")).to_be_in_viewport()
    expect(logs.get("new-lines")).to_be_hidden()
    logs.scroll(-600)
    expect(logs.get("bar-mode")).to_have_text("Scrolled up")
    before = logs.list.evaluate("list => list.scrollTop")
    gateway.say_all(numbered(200, 214))
    expect(logs.get("new-lines")).to_have_text("214 new lines")
    assert logs.list.evaluate("list => list.scrollTop") == before
    logs.get("new-lines").click()
    expect(logs.row("line 000413")).to_be_in_viewport()
    expect(logs.get("new-lines")).to_be_hidden()
    logs.scroll(-600)
    expect(logs.get("new-lines")).to_be_visible()
    logs.scroll(5_000)
    expect(logs.get("bar-mode")).to_have_text("Following")


def test_a_pause_shows_nothing_new_until_it_ends(page: Page, gateway: LogGateway) -> None:
    gateway.say("before")
    logs = LogsPage(page).open(gateway.url)
    page.keyboard.press("Space")
    expect(logs.get("pause")).to_have_attribute("aria-pressed", "true")
    gateway.say("meanwhile")
    expect(logs.get("new-lines")).to_have_text("1 new line")
    logs.expect_texts("before")
    page.keyboard.press("Space")
    logs.expect_texts("before", "meanwhile")
    logs.get("pause").click()
    gateway.say("later")
    expect(logs.get("new-lines")).to_have_text("1 new line")
    page.keyboard.press("End")
    logs.expect_texts("before", "meanwhile", "later")


def test_older_lines_come_as_one_scrolls_up_and_move_nothing(page: Page, gateway: LogGateway) -> None:
    gateway.say_all(numbered(0, 1_800))
    logs = LogsPage(page).open(gateway.url)
    expect(logs.get("bar-lines")).to_have_text("500 lines here")
    logs.list.focus()
    for expected in ("1,000", "1,500", "1,800"):
        page.keyboard.press("Home")
        expect(logs.get("bar-lines")).to_have_text(f"{expected} lines here")
    page.keyboard.press("Home")
    expect(logs.row("line 000000")).to_be_in_viewport()
    texts = logs.texts()
    assert texts == [f"line {number:06}" for number in range(len(texts))]
    assert logs.rows.locator(".row-text").all_text_contents() == texts  # a screen reader goes by the document


def test_wrapped_lines_are_as_high_as_their_text(page: Page, gateway: LogGateway) -> None:
    gateway.say_all(numbered(0, 300))
    gateway.say("wide " * 150)
    gateway.say("漢" * 400)
    gateway.say_all(numbered(300, 3))
    logs = LogsPage(page).open(gateway.url)
    page.keyboard.press("w")
    expect(logs.get("wrap")).to_have_attribute("aria-pressed", "true")
    for text in ("wide wide", "漢"):
        page.wait_for_function(
            """text => [...document.querySelectorAll(".row:not([hidden])")]
                .some(row => row.textContent.includes(text) && row.offsetHeight >= 40)""",
            arg=text,
        )
    expect(logs.row("line 000302")).to_be_in_viewport()
    assert page.evaluate(
        """() => {
            const rows = [...document.querySelectorAll(".row:not([hidden])")].map(row => row.getBoundingClientRect());
            rows.sort((one, other) => one.top - other.top);
            return rows.every((row, index) => index === 0 || Math.abs(rows[index - 1].bottom - row.top) < 0.5);
        }"""
    )
    page.reload()
    logs.wait_until_live()
    expect(logs.get("wrap")).to_have_attribute("aria-pressed", "true")


def test_a_hundred_thousand_lines_are_smooth_and_bounded(page: Page, gateway: LogGateway) -> None:
    logs = LogsPage(page).open(gateway.url)
    work = MainThread(page)
    for first in range(0, MANY, BATCH):
        gateway.say_all(numbered(first, BATCH if first + BATCH <= MANY else MANY - first))
        last = min(first + BATCH, MANY) - 1
        expect(logs.row(f"line {last:06}")).to_be_in_viewport()
    expect(logs.get("bar-lines")).to_contain_text("older ones let go")
    lines_ms = work.spent_ms()
    page.evaluate(LAY_OUT, PLAIN_ROWS)
    unit_ms = work.spent_ms()
    assert lines_ms / (MANY / 1_000) < MOST_PER_THOUSAND_LINES * unit_ms
    page.evaluate(
        """async (scrolls) => {
            const list = document.querySelector("#list");
            for (let step = 0; step < scrolls; step += 1) {
                list.scrollTop = list.scrollHeight * ((step * 37 % scrolls) / scrolls);
                await new Promise(requestAnimationFrame);
            }
        }""",
        SCROLLS,
    )
    assert work.spent_ms() / SCROLLS < MOST_PER_SCROLL * unit_ms
    assert page.locator("#spool *").count() < 1_000
    assert heap(page) < 150_000_000


def test_a_hidden_tab_draws_nothing_and_misses_nothing(page: Page, gateway: LogGateway) -> None:
    logs = LogsPage(page).open(gateway.url)
    show(page, "hidden")
    gateway.say_all(numbered(0, 50))
    gateway.say_all(numbered(50, 1, level="error"))
    page.wait_for_function("() => document.title.startsWith('(1 error)')")
    assert logs.rows.count() == 0
    show(page, "visible")
    expect(logs.row("line 000050")).to_be_in_viewport()
    expect(page).to_have_title(re.compile("^Logs"))


@pytest.mark.parametrize("direction", ["dropped", "loaded"])
def test_who_reads_stays_at_the_line_whatever_goes_or_comes(page: Page, gateway: LogGateway, direction: str) -> None:
    logs = LogsPage(page).open(gateway.url)
    place = logs.module(
        "list/list.js",
        """async ({ LogList }, direction) => {
            const { Store } = await import(new URL("assets/logs/lines/store.js", document.baseURI));
            const { readLine } = await import(new URL("assets/logs/lines/line.js", document.baseURI));
            const made = (first, count) => Array.from({ length: count }, (_, index) =>
                readLine({ id: `1-${first + index}`, message: `m ${first + index}`, time: "2026-01-01T00:00:00Z" }));
            const scroller = document.createElement("div");
            const spool = document.createElement("div");
            scroller.className = "list";
            spool.className = "spool";
            scroller.append(spool);
            document.querySelector("#list-frame").append(scroller);
            const store = new Store({ mostLines: 1_000 });
            const nothing = { onHold() {}, onNearTop() {}, onNearEnd() {}, onDrawn() {}, onAtEnd() {} };
            const list = new LogList(scroller, spool, store, nothing);
            const drawn = () => new Promise((done) => { list.onDrawn = done; list.request(); });
            for (const line of made(1_000, 900)) store.append(line);
            await drawn();
            await new Promise((done) => { list.onHold = done; scroller.scrollTop -= 5_000; });
            await drawn();
            const seen = () => list.seen[0].message;
            const before = seen();
            if (direction === "dropped") for (const line of made(1_900, 500)) store.append(line);
            else store.merge(made(900, 100));
            await drawn();
            const after = seen();
            scroller.remove();
            return [before, after, store.lines.length];
        }""",
        direction,
    )
    assert place[0] == place[1]
    assert place[2] <= 1_000


def show(page: Page, state: str) -> None:
    page.evaluate(
        """state => {
            Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


class MainThread:
    """What a page's main thread works."""

    def __init__(self, page: Page) -> None:
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._seen = self._total_ms()

    def spent_ms(self) -> float:
        """On a CPU, since it was asked last."""
        seen, self._seen = self._seen, self._total_ms()
        return self._seen - seen

    def _total_ms(self) -> float:
        metrics: list[dict[str, Any]] = self._devtools.send("Performance.getMetrics")["metrics"]
        return 1_000 * float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def heap(page: Page) -> float:
    """Bytes of JavaScript's heap, after its garbage is collected."""
    devtools: CDPSession = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    size: float = devtools.send("Runtime.getHeapUsage")["usedSize"]
    devtools.detach()
    return size
