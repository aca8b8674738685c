"""The provider that docs/architecture.md shows: it works as it stands there, and with one line elsewhere."""

import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from core.providers.base import Access, Message, Provider, Request, Stream
from core.providers.catalogue.catalogue import Catalogue
from core.providers.catalogue.providers import PROVIDERS
from core.settings import Settings
from tests.unit.providers.conformance import Case, ProviderConformance, read

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
MODULE = "echo_of_the_page"


@pytest.fixture(autouse=True)
def _echo(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.search(r"^```python\n(.*?class EchoProvider.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert shown is not None
    module = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    exec(compile(shown[1], PAGE.name, "exec"), vars(module))
    monkeypatch.setitem(PROVIDERS, "echo", f"{MODULE}:EchoProvider")


class TestEcho(ProviderConformance):
    @pytest.fixture
    def provider(self, settings: Settings) -> Provider:
        provider: Provider = sys.modules[MODULE].EchoProvider.create(Access(), settings)
        return provider

    def ask(self, provider: Provider, case: Case) -> Stream:
        match case:
            case Case.ANSWER:
                return provider.stream(_request("To be or not to be"))
            case Case.LONG_ANSWER:
                return provider.stream(_request("word " * 10_000))
            case Case.UNKNOWN_MODEL:
                return provider.stream(Request(self.unknown_model, [Message("user", "Hi")]))
            case _:
                pytest.skip("it never fails")

    async def until_closed(self) -> None:
        """There is no service."""
        await asyncio.sleep(0)


def _request(text: str) -> Request:
    return Request("echo", [Message("user", text)])


async def test_one_line_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PROVIDERS, "demo")
    catalogue = Catalogue(Settings(_env_file=None, openai_model="echo"))
    (route,) = catalogue.chain(catalogue.default_model)
    tape, _ = await read(route.provider.stream(_request("Hi  there")))
    assert (route.model.provider, tape.text()) == ("echo", "Hi  there")
    await catalogue.close()


async def test_a_file_of_models_can_name_it(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[[model]]\nname = "parrot"\nprovider = "echo"\nmodel = "echo"\n')
    catalogue = Catalogue(Settings(_env_file=None, models_file=file))
    assert [model.name for model in catalogue.models] == ["parrot"]
    await catalogue.close()


def test_one_that_is_not_listed_is_refused_with_those_that_are(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[[model]]\nname = "parrot"\nprovider = "ecko"\n')
    with pytest.raises(SystemExit, match=r"no provider 'ecko', but openai, anthropic.*echo"):
        Catalogue(Settings(_env_file=None, models_file=file))
