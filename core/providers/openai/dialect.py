"""What a compatible server calls an option, whether it knows it at all, and what it wants back of earlier answers."""

import re
from typing import Self

import msgspec

from core.providers.base import Request
from core.providers.http.dialect import Dialect
from core.providers.http.failures import Refused

REASONING = "reasoning_content"
_OPTION = re.compile(rb"stream_options|max_(?:completion_)?tokens|reasoning_content")
_UNKNOWN_OPTION = re.compile(
    rb"unsupported(?!_value)|not supported|not permitted|not allowed|unrecogni[sz]ed|unknown|unexpected|extra|instead",
    re.IGNORECASE,
)
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class OpenAIDialect(Dialect, frozen=True):
    limit_name: str = "max_completion_tokens"
    """Of the option `max_tokens`."""
    has_stream_options: bool = True
    """Without them a server may not tell the usage."""
    wants_reasoning: bool = False
    """Whether an answer's reasoning goes back with the calls of tools that came of it: DeepSeek's and Kimi's thinking
    models refuse the calls without, and others the member itself."""

    def after(self, refused: Refused, request: Request) -> Self | None:
        if refused.status in (400, 422):
            named = {word.decode() for word in _OPTION.findall(refused.body)}
            if not self.wants_reasoning and REASONING in named and any(each.tool_calls for each in request.messages):
                return msgspec.structs.replace(self, wants_reasoning=True)
            if self.has_stream_options and "stream_options" in named:
                return msgspec.structs.replace(self, has_stream_options=False)
            if self.limit_name in named and "max_tokens" in request.options and _UNKNOWN_OPTION.search(refused.body):
                return msgspec.structs.replace(self, limit_name=_OTHER_LIMIT[self.limit_name])
        return super().after(refused, request)
