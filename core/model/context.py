"""Where a turn came from: carried by its row and its job, so that what all processes do for it can be followed."""

import msgspec


class RequestContext(msgspec.Struct, frozen=True):
    request_id: str = ""
    """The `X-Request-ID` of the request that asked."""
    trace: dict[str, str] = {}
    """W3C Trace Context: `traceparent`, and `tracestate` where there is one."""
