"""Here, so that it is done before anybody imports them: what these modules assert is told as what tests assert is."""

import pytest

for module in ("conformance", "http_answers", "http_failures"):
    pytest.register_assert_rewrite(f"tests.unit.providers.{module}")
