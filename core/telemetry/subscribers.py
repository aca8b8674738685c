"""Which subscribers the turns of a process have: one line for each."""

from core.bus.publisher import BusPublisher
from core.telemetry.turn_log import TurnLog
from core.turns.subscribers import TurnSubscribers


def turn_subscribers(bus: BusPublisher) -> TurnSubscribers:
    return TurnSubscribers(
        [
            TurnLog(),
            bus,
        ]
    )
