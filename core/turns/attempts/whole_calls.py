"""Whole calls: tools are run here, or shown to an older process, once all of their arguments have come."""

from collections.abc import Iterable

from core.model.parts import Part, ToolArguments, ToolCall, ToolCallBegun, whole_tool_calls


class WholeCalls:
    """Of one pass through the model: holds back calls that come in pieces."""

    def __init__(self) -> None:
        self._pieces: list[Part] = []
        self.length = 0
        """Of what is held back, as a tape counts it."""

    def pass_on(self, parts: Iterable[Part]) -> list[Part]:
        passed: list[Part] = []
        for part in parts:
            if isinstance(part, ToolCallBegun | ToolArguments):
                self._pieces.append(part)
                self.length += len(part)
            else:
                passed.append(part)
        return passed

    def finish(self) -> list[ToolCall]:
        """The calls that were held back, once nothing more comes."""
        calls = whole_tool_calls(self._pieces)
        self._pieces.clear()
        self.length = 0
        return calls
