from typing import Any

import pytest

for module in ("conformance", "http_answers", "http_failures"):
    pytest.register_assert_rewrite(f"tests.unit.providers.{module}")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop of the product."""
    return "asyncio", {"use_uvloop": True}
