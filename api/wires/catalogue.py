"""The wires of `POST /chat` and `GET /stream`, which a request chooses by its `Accept` header.

A wire that has a path of its own is not listed here: its route makes it.
"""

import re
from collections.abc import Sequence
from pkgutil import resolve_name

from api.wires.base import Wire

WIRES: Sequence[type[Wire]] = [
    resolve_name(name)
    for name in (
        "api.wires.seed:SeedWire",
        "api.wires.text:TextWire",
    )
]
"""The first of a media type is the one for whoever names no more than that."""

_NAMED = re.compile(r""";\s*wire="?([\w-]+)""")


def accepted_wire(accept: str | None) -> type[Wire] | None:
    """By media type (RFC 9110, 12.5.1), and by name where that is given: `text/event-stream; wire=seed`. None if the
    header asks for none of them."""
    if not accept:
        return None
    named = _NAMED.search(accept)
    for wire in WIRES:
        if wire.media_type.partition(";")[0] in accept and (named is None or named[1] == wire.name):
            return wire
    return None
