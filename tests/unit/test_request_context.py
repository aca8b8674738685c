"""The context of a request: only a trace context that keeps W3C's rules is carried on."""

import pytest
from starlette.requests import HTTPConnection

from api.http.request_context import MAX_TRACESTATE_CHARS, context_of
from core.broker import jobs
from core.model.context import RequestContext
from core.model.keys import TurnKey

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def context(*headers: tuple[str, str]) -> RequestContext:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return context_of(HTTPConnection({"type": "http", "headers": raw, "request_id": "r1"}))


def test_a_trace_is_carried_on() -> None:
    found = context(("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2"))
    assert found == RequestContext("r1", {"traceparent": PARENT, "tracestate": "a=1,b=2"})
    assert jobs.context_of({"request_id": "r1", **found.trace, "id": "s.1"}) == found


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        "ff" + PARENT[2:],
        PARENT + "\n",
        PARENT[:-1],
    ],
)
def test_one_that_breaks_the_rules_is_none(parent: str) -> None:
    assert context(("traceparent", parent), ("tracestate", "a=1")) == RequestContext("r1")


def test_one_of_a_later_version_is_carried_on() -> None:
    assert context(("traceparent", f"01{PARENT[2:]}-more")).trace == {"traceparent": f"01{PARENT[2:]}-more"}


def test_a_state_that_is_too_long_is_left_out() -> None:
    found = context(("traceparent", PARENT), ("tracestate", "a=" + "x" * MAX_TRACESTATE_CHARS))
    assert found.trace == {"traceparent": PARENT}


@pytest.mark.parametrize("headers", [{}, {"request_id": 7, "traceparent": None}])
def test_a_job_of_an_older_release_tells_nothing(headers: dict[str, object]) -> None:
    assert jobs.context_of(headers) == RequestContext()


def test_a_job_says_what_its_headers_do() -> None:
    key = TurnKey("s", 1)
    told = {"request_id": "r1", "store_id": "d", "silent_beat": 7}
    assert jobs.job_of(key, told) == jobs.Job(key, RequestContext("r1"), "d", 7)
    assert jobs.job_of(key, {"store_id": None, "silent_beat": "7"}) == jobs.Job(key)
