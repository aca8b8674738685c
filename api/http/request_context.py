"""The context of a request: its id, and the W3C trace context that it came with (https://www.w3.org/TR/trace-context/)."""

import re

from starlette.requests import HTTPConnection

from core.model.context import RequestContext

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?\Z")
MAX_TRACESTATE_CHARS = 512
"""What everybody has to carry at least (3.3.1.5); who sends more may lose it."""


def context_of(connection: HTTPConnection) -> RequestContext:
    """A traceparent that breaks the rules is as good as none, and a tracestate is nothing without one (4.3)."""
    headers = connection.headers
    trace = {}
    traceparent = headers.get("traceparent", "")
    if _TRACEPARENT.match(traceparent):
        trace["traceparent"] = traceparent
        tracestate = ",".join(headers.getlist("tracestate"))
        if 0 < len(tracestate) <= MAX_TRACESTATE_CHARS:
            trace["tracestate"] = tracestate
    return RequestContext(connection.scope.get("request_id", ""), trace)
