"""Tables of figures, in Markdown."""

from collections.abc import Iterable, Sequence


def table_of(head: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """The first columns, as many as `words`, say what a row is of; those behind them are figures."""
    marks = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (head, marks, *rows))
