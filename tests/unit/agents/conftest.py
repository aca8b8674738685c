"""What the tests of agents' files rest on."""

import pytest
import yaml

from core.agents import front_matter

LOADERS = [yaml.SafeLoader, *filter(None, [getattr(yaml, "CSafeLoader", None)])]


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml's, which not every PyYAML has, and PyYAML's own."""
    monkeypatch.setattr(front_matter, "_LOADER", request.param)
