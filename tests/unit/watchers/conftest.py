import pytest

from tests.unit.watchers.turns import FakeLiveTurns


@pytest.fixture
def turns() -> FakeLiveTurns:
    return FakeLiveTurns()
