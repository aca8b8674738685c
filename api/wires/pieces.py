"""Texts cut for clients that bound what they take at once: whoever joins late gets all of an answer in one moment."""

from core.model.parts import Part, Reasoning, Refusal, Text, ToolArguments, cut

FRAME_CHARS = 10_000
"""Of a text in one frame. JSON takes six bytes for a character at most, so the frame has less than 64 KiB."""


def frame_pieces(part: Part) -> list[Part]:
    size = len(part)
    if size <= FRAME_CHARS or not isinstance(part, Text | Reasoning | Refusal | ToolArguments):
        return [part]
    return [cut(part, begin, min(begin + FRAME_CHARS, size)) for begin in range(0, size, FRAME_CHARS)]
