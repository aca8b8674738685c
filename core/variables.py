"""Variables that a file of ours names, so that no secret stands in it."""

import os

from dotenv import dotenv_values


def variable(name: str) -> str | None:
    """Its value in the environment or in `.env`; None where it has none."""
    return os.environ.get(name) or dotenv_values(".env").get(name) or None
