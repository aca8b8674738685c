"""A real Chromium on the chat page of a real stack."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.parts import require
from tests.stack import Api, Stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 15_000
CHROMIUM = os.environ.get("HOPSTREAM_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running in this thread, where no other can run then."""
    items.sort(key=lambda item: item.path.is_relative_to(Path(__file__).parent))


class Site(NamedTuple):
    stack: Stack
    api: Api


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(CHROMIUM, "no Chromium; install the package chromium, or name one by HOPSTREAM_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: F811
    """The mock upstream answers 150 numbered tokens in 3 s."""
    home = tmp_path_factory.mktemp("browser")
    with Stack(home, OPENAI_MODEL="mock?tokens=150&rate=50") as stack:
        api = stack.start_api()
        stack.start_worker()
        yield Site(stack, api)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails the test on any script error."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
