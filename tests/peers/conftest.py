from collections.abc import Iterator

import pytest

from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
from tests.processes import Api
from tests.stack import Stack


@pytest.fixture(scope="package")
def stack(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: F811
    with Stack(tmp_path_factory.mktemp("peers")) as stack:
        yield stack


@pytest.fixture(scope="package")
def api(stack: Stack) -> Api:
    api = stack.start_api()
    stack.start_worker()
    return api
