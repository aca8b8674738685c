"""Whole calls: tools are run here, or shown to an older process, once all of their arguments have come."""

from collections.abc import Iterable

from core.model.parts import Part, ToolArguments, ToolCall, ToolCallBegun, whole_tool_calls


class WholeCalls:
    """Of one pass through the model: holds back calls that come in pieces."""

    def __init__(self) -> None:
        self._pieces: list[Part] = []

    def pass_on(self, parts: Iterable[Part]) -> list[Part]:
        passed: list[Part] = []
        for part in parts:
            (self._pieces if isinstance(part, ToolCallBegun | ToolArguments) else passed).append(part)
        return passed

    def finish(self) -> list[ToolCall]:
        """The calls that were held back, once nothing more comes."""
        calls = whole_tool_calls(self._pieces)
        self._pieces.clear()
        return calls
