"""Log lines about turns."""

import structlog

from core.model.events import Done, End, Failed
from core.settings import Settings
from core.turns.subscribers import Moment, TurnEvent

log = structlog.get_logger()

LINES = {
    Moment.QUEUED: ("turn queued", "turn.queued"),
    Moment.CLAIMED: ("turn claimed", "turn.claimed"),
    Moment.STARTED: ("turn started", "turn.started"),
    Moment.RESTARTED: ("turn restarted", "turn.restarted"),
    Moment.ENDED: ("turn ended", "turn.ended"),
    Moment.GIVEN_UP: ("turn given up", "turn.given_up"),
}
"""The text and the action of each."""
NOTEWORTHY = {Moment.RESTARTED, Moment.GIVEN_UP}


class TurnLog:
    def on_turn(self, event: TurnEvent) -> None:
        text, action = LINES[event.moment]
        turn = event.turn
        details: dict[str, object] = {
            "action": action,
            "session_id": turn.session_id,
            "turn": turn.turn,
            "attempt": event.attempt,
            "mode": turn.mode,
            "request_id": turn.context.request_id,
        }
        if event.reason is not None:
            details["reason"] = event.reason
        if event.end is not None:
            details.update(_summary(event.end))
        if event.moment in NOTEWORTHY:
            log.warning(text, **details)
        else:
            log.info(text, **details)


def create(settings: Settings) -> TurnLog:
    """Needs no settings."""
    return TurnLog()


def _summary(end: End) -> dict[str, object]:
    match end:
        case Done():
            return {"finish_reason": end.finish_reason, "length": end.position}
        case Failed():
            return {"error": end.code, "length": end.position}
