"""Where a turn comes from: the request that asked for it, told along with its job."""

import msgspec


class RequestContext(msgspec.Struct, frozen=True):
    """What lets one request be followed through API, RabbitMQ and worker."""

    request_id: str = ""
    """At most 128 characters; empty: not asked for by a request, or by one of a release that did not keep it."""
    trace: dict[str, str] = {}
    """`traceparent`, and `tracestate` where there is one (W3C Trace Context); empty without a trace."""
