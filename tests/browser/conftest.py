"""A real Chromium on the chat page of a real stack."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.agency import Agency, start_agency
from tests.browser.log_gateway import LogGateway
from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.processes import Api
from tests.stack import Stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = PATIENCE_SECONDS * 1000
expect.set_options(timeout=WAIT_MS)
MODEL = "mock?tokens=150&rate=50&hold_after=150&id=page"
"""150 numbered tokens in 3 s."""
SHARED = ("site", "guarded", "agency")
"""The fixtures whose stacks outlive a test."""
CHROMIUM = os.environ.get("HOPSTREAM_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running in this thread, where no other can run then."""
    items.sort(key=lambda item: item.path.is_relative_to(Path(__file__).parent))


class Site(NamedTuple):
    stack: Stack
    api: Api

    @contextmanager
    def holding(self, tokens: int) -> Iterator[None]:
        """Answers have no more than so many tokens until the block ends, so that whatever is done in it is done in the
        middle of an answer."""
        self.stack.release("page", tokens)
        try:
            yield
        finally:
            self.stack.release("page")


NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(CHROMIUM, "no Chromium; install the package chromium, or name one by HOPSTREAM_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: F811
    with start_site(tmp_path_factory.mktemp("browser")) as site:
        yield site


@pytest.fixture(scope="session")
def agency(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:  # noqa: F811
    with start_agency(tmp_path_factory.mktemp("agency")) as agency:
        yield agency


@pytest.fixture
def gateway() -> Iterator[LogGateway]:
    """Of logs; of this test alone."""
    with LogGateway() as gateway:
        yield gateway


@contextmanager
def start_site(home: Path, **environment: str) -> Iterator[Site]:
    with Stack(home, OPENAI_MODEL=MODEL, **environment) as stack:
        site = Site(stack, stack.start_api())
        stack.start_worker()
        stack.release("page")
        yield site


@pytest.fixture(autouse=True)
def _processes_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    with ExitStack() as stacks:
        for name in SHARED:
            if name in request.fixturenames:
                stacks.enter_context(request.getfixturevalue(name).stack.as_before())
        yield


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Makes browser contexts, as `Browser.new_context` does."""
    with ExitStack() as closing:

        def make(**options: Any) -> BrowserContext:
            context = browser.new_context(**options)
            closing.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            return context

        yield make


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    return new_context(viewport={"width": 1200, "height": 800})


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails the test on any script error."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
