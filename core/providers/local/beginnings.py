"""What may be the beginning of a mark in text that comes in pieces."""


def begun(mark: str, text: str) -> int:
    """So many characters at the end of the text are the beginning of the mark, which is not in it whole."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)
