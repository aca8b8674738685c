"""What an older living process cannot read is not sent yet: while releases are mixed, newer parts go as older ones."""

from collections.abc import Iterable

from core.model.errors import Upgrading
from core.model.parts import (
    Opaque,
    Part,
    Refusal,
    StepBegun,
    Text,
    ToolArguments,
    ToolCallBegun,
    ToolResult,
    whole_tool_calls,
)

GROWING_CALLS_FORMAT = 3
"""The first `core.version.FORMAT` whose processes show tool calls in pieces, and know what a service wants back. The
one before it could read refusals, steps, pieces and results, and showed no pieces."""
AGENTS_FORMAT = 4
"""The first whose processes ask a turn's model with the prompt of the turn's agent. Those before would leave it out."""
UPGRADE_RETRY_SECONDS = 5.0
"""Until the last process of the earlier release is gone, say."""


def check_agents(oldest_format: int) -> None:
    """Before a turn with an agent is queued, which any worker may take. Raises Upgrading."""
    if oldest_format < AGENTS_FORMAT:
        raise Upgrading(
            "a process of an earlier release still runs, which would answer without the agent's prompt; ask again",
            retry_after=UPGRADE_RETRY_SECONDS,
        )


class ReadableParts:
    """One attempt's; `oldest_format` is the least among the living processes when it began."""

    def __init__(self, oldest_format: int) -> None:
        self._converts = oldest_format < GROWING_CALLS_FORMAT
        self._calls: list[Part] = []
        """Pieces of this step's calls."""
        self._calls_before = 0
        """How many began in earlier steps."""

    def convert(self, parts: list[Part]) -> list[Part]:
        """As all living processes can read them."""
        return list(self._in_first_format(parts)) if self._converts else parts

    def finish(self) -> list[Part]:
        """What was still held back."""
        calls: list[Part] = [*whole_tool_calls(self._calls)]
        self._calls.clear()
        self._calls_before += len(calls)
        return calls

    def _in_first_format(self, parts: list[Part]) -> Iterable[Part]:
        """A refusal is text, calls come whole at the end of their step; steps and results are left out."""
        for part in parts:
            match part:
                case ToolCallBegun():
                    self._calls.append(part)
                case ToolArguments(text, call):
                    self._calls.append(ToolArguments(text, call - self._calls_before))
                case StepBegun() | ToolResult():
                    yield from self.finish()
                case Refusal(text):
                    yield Text(text)
                case Opaque():
                    pass
                case _:
                    yield part
