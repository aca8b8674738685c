"""What the stream of all lines is called in Redis, and how one connects to it."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

STREAM = "hopstream:{logs}:lines"
"""The braces keep all of it on one node of a cluster."""
COUNTERS = "hopstream:{logs}:counters"
WRITERS = "hopstream:{logs}:writers"
POSITIONS = "hopstream:{logs}:positions"
LEADER = "hopstream:{logs}:leader"
ALERTS = "hopstream:{logs}:alerts"
HEARING = "hopstream:{logs}:hearing"

ANSWER_SECONDS = 5.0
"""Redis is frozen where it takes longer."""
OPTIONS: dict[str, Any] = {
    "protocol": 2,  # the other one has other shapes
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": ANSWER_SECONDS,
    "retry": Retry(NoBackoff(), 0),  # whoever asks knows when to ask again
}


def connect(url: str) -> Redis:
    return Redis.from_url(url, **OPTIONS)
