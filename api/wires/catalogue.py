"""The wires of `POST /chat` and `GET /stream`, which a request chooses by its `Accept` header.

A wire that has a path of its own is not listed here: its route makes it.
"""

from collections.abc import Sequence
from pkgutil import resolve_name

from api.http.accept import Accept, Wish
from api.wires.base import Wire
from core.model.errors import NotAcceptable

WIRES: Sequence[type[Wire]] = [
    resolve_name(name)
    for name in (
        "api.wires.seed:SeedWire",
        "api.wires.text:TextWire",
    )
]
"""The first of a media type is the one for whoever names no more than that."""


def choose_wire(headers: Sequence[str], default: type[Wire] | None) -> type[Wire] | None:
    """What these `Accept` headers like best, by media type, and by name where that is given (`text/event-stream;
    wire=seed`). `default`, where None stands for JSON, is the answer among equals, and where they like nothing.

    Raises NotAcceptable where they like nothing but a wire by a name that there is not.
    """
    accept = Accept(headers)
    wishes = [(_wish(accept, offer), offer) for offer in (default, *WIRES)]
    liked = [(wish, offer) for wish, offer in wishes if wish is not None]
    if liked:
        return max(liked, key=lambda each: each[0])[1]  # the first of equals
    names = [each.parameters["wire"] for each in accept.ranges if "wire" in each.parameters]
    if names:
        known = ", ".join(f"{wire.name} ({wire.media_type.partition(';')[0]})" for wire in WIRES)
        raise NotAcceptable(f"there is no wire {names[0]!r} of this media type; there are {known}", field="Accept")
    return default


def _wish(accept: Accept, offer: type[Wire] | None) -> Wish | None:
    if offer is None:
        return accept.wish("application/json")
    return accept.wish(offer.media_type.partition(";")[0], wire=offer.name)
