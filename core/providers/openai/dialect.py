"""What a compatible server calls an option, or whether it knows it at all: found out by its refusal, and remembered."""

import re
from collections import OrderedDict
from typing import NamedTuple, Self

from core.providers.base import Request
from core.providers.failures import Refused

MAX_MODELS = 1000
"""Of which something is remembered: people may ask for any name."""
_OPTION = re.compile(rb"stream_options|max_(?:completion_)?tokens")
_UNKNOWN_OPTION = re.compile(
    rb"unsupported(?!_value)|not supported|not permitted|not allowed|unrecogni[sz]ed|unknown|unexpected|extra|instead",
    re.IGNORECASE,
)
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class Dialect(NamedTuple):
    limit_name: str
    """Of the option `max_tokens`."""
    has_stream_options: bool = True
    """Without them a server may not tell the usage."""

    def after(self, refused: Refused, request: Request) -> Self | None:
        """How to ask once more; None where the refusal is about something else."""
        if refused.status not in (400, 422):
            return None
        named = {word.decode() for word in _OPTION.findall(refused.body)}
        if self.has_stream_options and "stream_options" in named:
            return self._replace(has_stream_options=False)
        if self.limit_name in named and "max_tokens" in request.options and _UNKNOWN_OPTION.search(refused.body):
            return self._replace(limit_name=_OTHER_LIMIT[self.limit_name])
        return None


class Dialects:
    """Of a server's models; the newest are remembered."""

    def __init__(self, usual: Dialect) -> None:
        self._usual = usual
        self._known = OrderedDict[str, Dialect]()

    def of(self, model: str) -> Dialect:
        return self._known.get(model, self._usual)

    def remember(self, model: str, dialect: Dialect) -> None:
        self._known[model] = dialect
        if len(self._known) > MAX_MODELS:
            self._known.popitem(last=False)
