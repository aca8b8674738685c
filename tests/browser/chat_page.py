"""What a person does on the chat page, for tests."""

from playwright.sync_api import Locator, Page, expect


class ChatPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str) -> "ChatPage":
        self.page.goto(url)
        expect(self.page.locator("#composer")).not_to_have_attribute("aria-busy", "true")
        return self

    def get(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def choose(self, mode: str) -> None:
        self.get(f"mode-{mode}").click()

    def send(self, text: str) -> None:
        self.get("message-input").fill(text)
        if self.page.evaluate("matchMedia('(hover: none)').matches"):  # there Enter makes a line
            self.get("send").click()
        else:
            self.get("message-input").press("Enter")

    @property
    def answer(self) -> Locator:
        """The latest answer."""
        return self.get("message-assistant").last

    def wait_for_text(self, part: str) -> None:
        expect(self.answer).to_contain_text(part)

    def wait_until(self, status: str) -> None:
        expect(self.answer).to_have_attribute("data-status", status)

    def text(self) -> str:
        """The latest answer as the page received it, before Markdown."""
        text: str = self.answer.evaluate("element => element.hopstreamText")
        return text
