"""Which wire a request's `Accept` header chooses."""

import pytest

from api.wires import catalogue
from api.wires.base import Wire
from api.wires.catalogue import choose_wire
from api.wires.seed import SeedWire
from api.wires.text import TextWire
from core.model.errors import NotAcceptable

JSON = None
AXIOS = "application/json, text/plain, */*"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "queue", "direct", "stream"),
    [
        (None, JSON, TextWire, SeedWire),
        ("", JSON, TextWire, SeedWire),
        ("*/*", JSON, TextWire, SeedWire),
        (BROWSER, JSON, TextWire, SeedWire),
        (AXIOS, JSON, TextWire, TextWire),
        ("application/json", JSON, TextWire, SeedWire),
        ("application/json, text/event-stream", JSON, SeedWire, SeedWire),
        ("text/event-stream, application/json", SeedWire, SeedWire, SeedWire),
        ("application/json;q=0.9, text/event-stream", SeedWire, SeedWire, SeedWire),
        ("application/json;q=0.1, text/event-stream;q=0", JSON, TextWire, SeedWire),
        ("text/event-stream;q=0", JSON, TextWire, SeedWire),
        ("*/*, text/event-stream;q=0", JSON, TextWire, TextWire),
        ("text/event-stream", SeedWire, SeedWire, SeedWire),
        ("Text/Event-Stream", SeedWire, SeedWire, SeedWire),
        ("text/event-stream, */*", SeedWire, SeedWire, SeedWire),
        ("text/event-stream; wire=seed", SeedWire, SeedWire, SeedWire),
        ('text/event-stream; wire="Seed"', SeedWire, SeedWire, SeedWire),
        ("text/event-stream; charset=utf-8", SeedWire, SeedWire, SeedWire),
        ("text/plain", TextWire, TextWire, TextWire),
        ("text/plain; charset=utf-8", TextWire, TextWire, TextWire),
        ("text/plain;q=0.5, text/event-stream", SeedWire, SeedWire, SeedWire),
        ("text/*", SeedWire, TextWire, SeedWire),
        ("image/png", JSON, TextWire, SeedWire),
        ("text/event-stream; wire=unknown, text/plain", TextWire, TextWire, TextWire),
    ],
)
def test_what_is_liked_best(
    accept: str | None, queue: type[Wire] | None, direct: type[Wire], stream: type[Wire]
) -> None:
    headers = [] if accept is None else [accept]
    assert [choose_wire(headers, default) for default in (None, TextWire, SeedWire)] == [queue, direct, stream]


@pytest.mark.parametrize("accept", ["text/event-stream; wire=unknown", "text/plain; wire=seed"])
def test_a_wire_that_there_is_not_is_named(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"seed \(text/event-stream\)"):
        choose_wire([accept], None)


def test_of_two_with_one_media_type_the_one_that_is_named_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Another(SeedWire):
        name = "another-1"

    monkeypatch.setattr(catalogue, "WIRES", (*catalogue.WIRES, Another))
    assert choose_wire(["text/event-stream;wire=another-1"], None) is Another
    assert choose_wire(["text/event-stream"], None) is SeedWire


def test_no_two_have_one_name() -> None:
    names = [wire.name for wire in catalogue.WIRES]
    assert len(names) == len(set(names))


def test_a_wire_that_takes_over_its_parents_name_is_refused() -> None:
    """Its frames would be shared with the viewers of the other."""
    with pytest.raises(TypeError, match="Nameless"):
        type("Nameless", (SeedWire,), {})
