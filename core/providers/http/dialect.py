"""How a model's service has to be asked: found out by its refusals, and remembered."""

import re
from collections import OrderedDict
from typing import Generic, Self, TypeVar

import msgspec

from core.providers.base import Request
from core.providers.http.failures import Refused

MAX_MODELS = 1000
"""Of which something is remembered: people may ask for any name."""
_STREAM = re.compile(rb"\bstream(?:s|ed|ing|GenerateContent)?\b", re.IGNORECASE)
_NO_STREAM = re.compile(
    rb"unsupported|not supported|not allowed|not available|not enabled|does(?: not|n.t) support|disabled|cannot|"
    rb"must be verified",
    re.IGNORECASE,
)
_REFUSAL_STATUSES = frozenset({400, 403, 404, 405, 422, 501})


class Dialect(msgspec.Struct, frozen=True):
    """A service of one kind may have more to find out: it derives from this."""

    streams: bool = True
    """Whether the answer is asked for as a stream; else it comes whole."""

    def after(self, refused: Refused, request: Request) -> Self | None:
        """How to ask once more; None where the refusal is about something else."""
        is_about_streams = _STREAM.search(refused.body) and _NO_STREAM.search(refused.body)
        if self.streams and refused.status in _REFUSAL_STATUSES and is_about_streams:
            return msgspec.structs.replace(self, streams=False)
        return None


D = TypeVar("D", bound=Dialect)


class Dialects(Generic[D]):
    """Of a service's models; the newest are remembered."""

    def __init__(self, usual: D) -> None:
        self._usual = usual
        self._known = OrderedDict[str, D]()

    def of(self, model: str) -> D:
        return self._known.get(model, self._usual)

    def remember(self, model: str, dialect: D) -> None:
        self._known[model] = dialect
        if len(self._known) > MAX_MODELS:
            self._known.popitem(last=False)
