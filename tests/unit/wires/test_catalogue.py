"""Which wire a request's `Accept` header chooses."""

import pytest

from api.wires import catalogue
from api.wires.base import Wire
from api.wires.catalogue import accepted_wire
from api.wires.seed import SeedWire
from api.wires.text import TextWire


@pytest.mark.parametrize(
    ("accept", "wire"),
    [
        (None, None),
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("text/html, application/xhtml+xml", None),
        ("text/event-stream", SeedWire),
        ("text/event-stream; wire=seed", SeedWire),
        ('text/event-stream; wire="seed"', SeedWire),
        ("text/plain", TextWire),
        ("text/plain; charset=utf-8", TextWire),
        ("text/plain;q=0.5, text/event-stream", SeedWire),
        ("application/json, text/plain;q=0.5", TextWire),
        ("text/event-stream; wire=unknown", None),
    ],
)
def test_it_is_chosen_by_media_type(accept: str | None, wire: type[Wire] | None) -> None:
    assert accepted_wire(accept) is wire


def test_of_two_with_one_media_type_the_one_that_is_named_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Another(SeedWire):
        name = "another-1"

    monkeypatch.setattr(catalogue, "WIRES", (*catalogue.WIRES, Another))
    assert accepted_wire("text/event-stream;wire=another-1") is Another
    assert accepted_wire("text/event-stream") is SeedWire


def test_no_two_have_one_name() -> None:
    names = [wire.name for wire in catalogue.WIRES]
    assert len(names) == len(set(names))


def test_a_wire_that_takes_over_its_parents_name_is_refused() -> None:
    """Its frames would be shared with the viewers of the other."""
    with pytest.raises(TypeError, match="Nameless"):
        type("Nameless", (SeedWire,), {})
