"""What the mock upstream has seen, as `GET /stats` tells it."""

from collections import OrderedDict
from typing import Any

import msgspec

MAX_SERIES = 10_000  # ids whose tries are remembered; the one longest unused is forgotten first


class LastRequest(msgspec.Struct):
    model: str
    messages: list[dict[str, Any]]
    options: dict[str, Any]
    """The rest of the body."""
    authorized: bool
    """Whether it came with an Authorization header. Its value is kept nowhere."""


class Record(msgspec.Struct):
    requests: int = 0
    """Chat completions asked for, refused ones too."""
    open_streams: int = 0
    """Answers under way, streamed or not."""
    disconnects: int = 0
    """Answers whose client left before their end."""
    tokens: int = 0
    """Tokens streamed."""
    tries: OrderedDict[str, int] = msgspec.field(default_factory=OrderedDict)
    """Requests by their script's id."""
    last_request: LastRequest | None = None

    def count_try(self, series: str) -> int:
        """Count one more request with this id, and tell how many that makes."""
        self.tries[series] = self.tries.get(series, 0) + 1
        self.tries.move_to_end(series)
        if len(self.tries) > MAX_SERIES:
            self.tries.popitem(last=False)
        return self.tries[series]
