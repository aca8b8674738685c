"""What a service's own SDK would send, where it tells that in no other public way: it is given a transport that only
notes the request."""

from collections.abc import Mapping
from typing import NamedTuple

LEFT_OUT = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that are those of one request, or of its connection."""


class Noted(NamedTuple):
    url: str
    headers: dict[str, str]


class Notes:
    """Of the requests of one SDK."""

    def __init__(self) -> None:
        self._noted: list[Noted] = []

    def add(self, url: object, headers: Mapping[str, str]) -> None:
        kept = {name: value for name, value in headers.items() if name.lower() not in LEFT_OUT}
        self._noted.append(Noted(str(url), kept))

    @property
    def only(self) -> Noted:
        (noted,) = self._noted
        return noted
