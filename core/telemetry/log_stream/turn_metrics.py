"""What each turn took, for the channel of figures: tokens, the time to the first one, and how fast they came."""

from typing import Any

from core.model.events import Done
from core.settings import Settings
from core.telemetry.log_stream.figures import figures_in_words
from core.telemetry.log_stream.process import put_of_process
from core.telemetry.log_stream.record import METRICS, Put, Record, encode_record, timestamp
from core.turns.subscribers import Moment, TurnEvent


class TurnMetrics:
    def __init__(self, put: Put, service: str) -> None:
        self._put = put
        self._service = service

    def on_turn(self, event: TurnEvent) -> None:
        if event.moment is not Moment.ENDED or event.ended_after is None:
            return
        fields = _figures(event)
        record = Record(timestamp(event.at), self._service, figures_in_words(fields), "info", fields)
        self._put(METRICS, encode_record(record))


def create(settings: Settings) -> TurnMetrics | None:
    """None without LOG_STREAM."""
    put = put_of_process(settings)
    return TurnMetrics(put, "turns") if put else None


def _figures(event: TurnEvent) -> dict[str, Any]:
    turn, end = event.turn, event.end
    figures: dict[str, Any] = {
        "session_id": turn.session_id,
        "turn": turn.turn,
        "attempt": event.attempt,
        "request_id": turn.context.request_id,
        "mode": turn.mode,
        "model": turn.answerer,
        "agent": (turn.agent or {}).get("id"),
        "first_token_seconds": event.first_token_after,
        "seconds": event.ended_after,
    }
    if isinstance(end, Done):
        figures |= {"finish_reason": end.finish_reason, "provider": end.provider, "model": end.model or turn.answerer}
        if end.usage is not None:
            figures |= {
                "input_tokens": end.usage.input_tokens,
                "output_tokens": end.usage.output_tokens,
                "tokens_per_second": _speed(end.usage.output_tokens, event),
            }
    elif end is not None:
        figures["error"] = end.code
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in figures.items()
        if value is not None
    }


def _speed(tokens: int, event: TurnEvent) -> float | None:
    """After the first one."""
    if event.first_token_after is None or event.ended_after is None or tokens < 2:
        return None
    seconds = event.ended_after - event.first_token_after
    return (tokens - 1) / seconds if seconds > 0 else None
