"""Which subscribers are told of the turns of a process, beside the event bus: log lines, and whatever else counts or
traces turns."""

from pkgutil import resolve_name

from core.settings import Settings
from core.turns.subscribers import TurnSubscriber, TurnSubscribers

SUBSCRIBERS = [
    "core.telemetry.turn_log:create",
    "core.telemetry.log_stream.turn_metrics:create",
]
"""Each makes its subscriber of the settings, or returns None where these do not ask for it."""


def turn_subscribers(settings: Settings, *others: TurnSubscriber) -> TurnSubscribers:
    """Those that are listed, and `others`."""
    made = [resolve_name(name)(settings) for name in SUBSCRIBERS]
    return TurnSubscribers([*filter(None, made), *others])
