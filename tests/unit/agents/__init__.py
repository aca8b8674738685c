"""Here, so that it is done before anybody imports it: what this module asserts is told as what tests assert is."""

import pytest

pytest.register_assert_rewrite("tests.unit.agents.conformance")
