"""What an older living process cannot read is not sent yet: while releases are mixed, newer parts go as older ones."""

from collections.abc import Iterable

from core.model.errors import Upgrading
from core.model.parts import Opaque, Part, Refusal, StepBegun, StepEnded, Text, ToolResult
from core.turns.attempts.whole_calls import WholeCalls

GROWING_CALLS_FORMAT = 3
"""The first `core.version.FORMAT` whose processes show tool calls in pieces, and know what a service wants back. The
one before it could read refusals, steps, pieces and results, and showed no pieces."""
AGENTS_FORMAT = 4
"""The first whose processes answer as the agent of a turn, and make its tools' calls; those before would leave out its
prompt. For those of format 3 nothing is converted: they pass over the ends of steps."""
QUEUES_FORMAT = 5
"""The first whose processes give a lost turn back to the queue that it came from; those before would give it to any
worker, which may not have its model."""
UPGRADE_RETRY_SECONDS = 5.0
"""Until the last process of the earlier release is gone, say."""


def check_agents(oldest_format: int) -> None:
    """Before a turn with an agent is queued, which any worker may take. Raises Upgrading."""
    _check(oldest_format, AGENTS_FORMAT, "which would answer without the agent's prompt")


def check_queue(oldest_format: int) -> None:
    """Before a turn is queued that only some workers may take. Raises Upgrading."""
    _check(oldest_format, QUEUES_FORMAT, "which knows no models on machines of ours")


def _check(oldest_format: int, needed: int, why: str) -> None:
    if oldest_format < needed:
        raise Upgrading(
            f"a process of an earlier release still runs, {why}; ask again", retry_after=UPGRADE_RETRY_SECONDS
        )


class ReadableParts:
    """Of one answer of a model; `oldest_format` is the least among the living processes when it began."""

    def __init__(self, oldest_format: int) -> None:
        self._converts = oldest_format < GROWING_CALLS_FORMAT
        self._calls = WholeCalls()

    @property
    def length(self) -> int:
        """Of what is held back."""
        return self._calls.length

    def convert(self, parts: list[Part]) -> list[Part]:
        """As all living processes can read them."""
        return list(self._in_first_format(parts)) if self._converts else parts

    def finish(self) -> list[Part]:
        """What was still held back."""
        return [*self._calls.finish()]

    def _in_first_format(self, parts: list[Part]) -> Iterable[Part]:
        """A refusal is text, calls come whole at the end; steps and results are left out."""
        for part in self._calls.pass_on(parts):
            match part:
                case Refusal(text):
                    yield Text(text)
                case StepBegun() | StepEnded() | ToolResult() | Opaque():
                    pass
                case _:
                    yield part
