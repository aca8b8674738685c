"""Event ids: `<turn>.<attempt>.<position>`."""

import pytest

from api.streams.cursor import Cursor
from core.model.errors import InvalidEventId

BAD = [
    "",
    "1",
    "1.1",
    "1.1.1.1",
    "0.1.1",
    "-1.1.1",
    "1.1.-1",
    "1.1.x",
    " 1.1.1",
    "1.1.1\n",
    "1.1.٣",
    "1.1.1e3",
    "01.1.1",
]


@pytest.mark.parametrize("text", ["1.1.0", "1.0.0", "12.3.456", "999999999.999999999.999999999"])
def test_an_id_is_read_as_it_was_written(text: str) -> None:
    assert str(Cursor.parse(text)) == text


@pytest.mark.parametrize("text", [*BAD, "1.1." + "9" * 10, "9" * 5000])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidEventId, match="Last-Event-ID") as raised:
        Cursor.parse(text)
    assert len(raised.value.message) < 200
