"""What all that can be collected from has in common."""

from typing import Protocol


class CannotCollect(Exception):
    """The settings do not say what to collect; the message is for whoever made them."""


class Source(Protocol):
    """`run` is a task: it gives each line to an Intake, with the place behind it, and asks the sender for room. Raises
    CannotCollect."""

    name: str
    """As LOG_COLLECT has it."""
    problem: str | None
    """Why nothing comes from it at the moment."""

    async def run(self) -> None: ...
