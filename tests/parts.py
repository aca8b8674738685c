"""Parts of the machine that some tests need: a missing one skips them, and fails them where CI=true."""

import os

import pytest


def require(condition: object, reason: str) -> None:
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
