"""Parts of the page of logs by themselves: what it keeps, times, signs, rates."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NewContext
from tests.browser.log_gateway import LogGateway
from tests.browser.logs_page import LogsPage

LINES = """
    const { readLine, note } = await import(new URL("assets/logs/lines/line.js", document.baseURI));
    const line = (number, message = `m${number}`) => readLine({ id: `1-${number}`, message, time: "" });
    const told = (store) => store.lines.map(({ message, text }) => message ?? text);
"""


@pytest.fixture
def logs(page: Page, gateway: LogGateway) -> LogsPage:
    return LogsPage(page).open(gateway.url)


def test_lines_are_kept_in_order_and_once(logs: LogsPage) -> None:
    assert logs.module(
        "lines/store.js",
        f"""async ({{ Store }}) => {{
            {LINES}
            const store = new Store();
            store.append(line(5));
            store.tell(note("gap", "gap", "bad"));
            store.append(line(7));
            store.append(line(7));
            store.append(line(6));
            const merge = (...numbers) => store.merge(numbers.map((number) => line(number)));
            const fresh = [merge(1, 2, 5), merge(2, 3)];
            return [told(store), fresh, store.newest.number, store.oldest.number, store.came];
        }}""",
    ) == [["m1", "m2", "m3", "m5", "gap", "m6", "m7"], [2, 1], 7, 1, 2]


@pytest.mark.parametrize(("most_lines", "most_bytes"), [(100, 1_000_000_000), (1_000_000, 200_000)])
def test_the_oldest_go_when_there_are_too_many_or_too_long(logs: LogsPage, most_lines: int, most_bytes: int) -> None:
    kept, size, newest, dropped = logs.module(
        "lines/store.js",
        f"""async ({{ Store }}, [mostLines, mostBytes]) => {{
            {LINES}
            const store = new Store({{ mostLines, mostBytes }});
            for (let number = 1; number <= 1_000; number += 1) store.append(line(number, "x".repeat(1_000)));
            const size = store.lines.reduce((sum, {{ size }}) => sum + size, 0);
            return [store.lines.length, size === store.bytes && size, store.newest.number, store.dropped];
        }}""",
        [most_lines, most_bytes],
    )
    assert newest == 1_000
    assert kept + dropped == 1_000
    assert 90 < kept <= 200
    assert 0 < size <= min(most_bytes, most_lines * 2_000)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ({"message": "one\n"}, ["one", 0]),
        ({"message": "one\r\ntwo\r\n"}, ["one", 1]),
        ({"message": "\n\n"}, ["", 1]),
        ({"message": "x" * 5_000}, ["x" * 4_096, 0]),
        ({"message": None}, ["", 0]),
        ({"message": 7}, ["7", 0]),
    ],
)
def test_a_record_is_read_whatever_it_is(logs: LogsPage, wire: dict[str, Any], expected: list[Any]) -> None:
    read = "({ readLine }, wire) => { const line = readLine({ id: '1-1', ...wire }); return [line.head, line.more]; }"
    assert logs.module("lines/line.js", read, wire) == expected


def test_what_has_no_id_is_no_line(logs: LogsPage) -> None:
    assert logs.module("lines/line.js", "({ readLine }) => [{}, null, { id: 'x' }].map(readLine)") == [None] * 3


def test_times_go_through_a_change_of_the_clock(new_context: NewContext, gateway: LogGateway) -> None:
    page = new_context(timezone_id="Europe/Berlin").new_page()
    logs = LogsPage(page).open(gateway.url)
    told = logs.module(
        "text/times.js",
        """({ exact, fromField, toField }) => {
            const times = ["2026-10-25T00:59:59.123456Z", "2026-10-25T01:00:00.5Z", "nonsense"];
            return [
                ...times.map((time) => exact(time, false)), exact(times[0], true),
                ...[false, true].map((isUtc) => fromField(toField(times[0], isUtc), isUtc)), fromField("", true),
            ];
        }""",
    )
    assert told == [
        "2026-10-25 02:59:59.123456 +02:00",
        "2026-10-25 02:00:00.500 +01:00",
        "nonsense",
        "2026-10-25 00:59:59.123456 UTC",
        "2026-10-25T00:59:59.000Z",
        "2026-10-25T00:59:59.000Z",
        "",
    ]


def test_rates_are_counted_by_second_and_level(logs: LogsPage) -> None:
    seconds, bad, warning, info, _, _, skipped = logs.module(
        "board/rates.js",
        """({ Rates }) => {
            const rates = new Rates(3);
            for (let ms = 0; ms < 90_000; ms += 1_000) rates.add({ ms, level: "info" });
            rates.add({ ms: 89_500, level: "critical" });
            rates.add({ ms: 89_500, level: "error" });
            rates.addSkipped(100, 89_000);
            return rates.stacked(89_999);
        }""",
    )
    assert seconds == [87, 88, 89]
    assert bad == warning == [0, 0, 2]
    assert info == [1, 1, 3]
    assert skipped == [1, 1, 103]


def test_what_was_asked_around_a_line_is_forgotten_with_it(logs: LogsPage) -> None:
    """Its first answer comes when the newest lines are shown again: it asks for no more, and holds nothing back."""
    asked, has_newer = logs.module(
        "lines/history.js",
        """async ({ History }) => {
            const asked = [];
            let answer;
            const history = (query) => {
                asked.push(query);
                return new Promise((resolve) => { answer = resolve; });
            };
            const store = { merge: () => 0 };
            const told = new History({ history }, store, { onChange() {}, onLines() {} });
            told.begin({});
            const around = told.loadAround("5-5");
            told.begin({});
            answer({ lines: [], more: false });
            await around;
            return [asked.length, told.hasNewer];
        }""",
    )
    assert (asked, has_newer) == (1, False)
