"""What a person sees and does on the page of logs, for tests."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

IN_ORDER = """rows => rows
    .map(row => [row.getBoundingClientRect().top, row.querySelector(".row-text").textContent])
    .sort(([one], [other]) => one - other)
    .map(([, text]) => text)"""
LAST_IS_SEEN = "list => list.scrollHeight - list.scrollTop - list.clientHeight < 2"


class LogsPage:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.list = page.get_by_test_id("list")

    def open(self, url: str, query: str = "") -> "LogsPage":
        """Waits until it is live and has the lines that were before."""
        self.page.goto(f"{url}/{query}")
        self.wait_until_live()
        return self

    def wait_until_live(self) -> None:
        expect(self.get("light-live")).to_have_attribute("data-state", "streaming")
        self.wait_until_loaded()

    def wait_until_loaded(self) -> None:
        expect(self.list).to_have_attribute("aria-busy", "false")

    def get(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    @property
    def rows(self) -> Locator:
        """Those in the list at the moment, in no order."""
        return self.page.locator("[data-testid=line]:not([hidden])")

    def row(self, text: str | re.Pattern[str]) -> Locator:
        return self.rows.filter(has_text=text)

    def texts(self) -> list[str]:
        """Of the rows, from the top."""
        texts: list[str] = self.rows.evaluate_all(IN_ORDER)
        return texts

    def expect_texts(self, *texts: str) -> None:
        expect(self.rows).to_have_count(len(texts))
        for text in texts:
            expect(self.row(text)).to_have_count(1)
        assert self.texts() == list(texts)

    def find(self, text: str) -> None:
        self.get("filter-text").fill(text)
        self.page.keyboard.press("Enter")

    def choose(self, menu: str, *values: str) -> None:
        """Of the menu of services or channels."""
        self.get(menu).locator("summary").click()
        for value in values:
            self.get(menu).get_by_label(value, exact=True).check()
        self.page.keyboard.press("Escape")

    def scroll(self, pixels: int) -> None:
        self.list.hover()
        self.page.mouse.wheel(0, pixels)

    def expect_end_in_sight(self) -> None:
        self.page.wait_for_function(f"() => ({LAST_IS_SEEN})(document.querySelector('#list'))")

    def module(self, path: str, script: str, argument: Any = None) -> Any:
        """What `script`, a function of a module's exports and the argument, returns."""
        return self.page.evaluate(
            f"async ([path, argument]) => ({script})(await import(new URL(path, document.baseURI)), argument)",
            [f"assets/logs/{path}", argument],
        )
