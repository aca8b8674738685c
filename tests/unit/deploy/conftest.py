"""The files that deploy: they are valid and agree with one another, the settings and the code."""

import pytest
import yaml

from tests.unit.deploy.files import DEPLOY, Manifest


@pytest.fixture(scope="module")
def compose() -> Manifest:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))
