import pytest

from tests.clients import package
from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers


@pytest.fixture(scope="session")
def built() -> None:
    """The TypeScript client, as it would be published."""
    package.install()
    package.build()
