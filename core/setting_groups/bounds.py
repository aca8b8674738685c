"""Settings: how much, how long and how often."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class BoundSettings(BaseSettings):
    max_message_chars: int = Field(
        32_000, ge=1, description="Longest message of a user, in characters (about 8,000 tokens)."
    )
    max_queued_turns: int = Field(
        1000, ge=1, description="Turns that may wait for a worker; then POST /chat answers 429, rather than queue more."
    )
    max_streams_per_client: int = Field(
        1000, ge=1, description="Streams one client address may hold open at one API process; a proxy counts as one."
    )
    max_streams: int = Field(
        10_000, ge=1, description="Streams one API process holds open; its file descriptors have to suffice."
    )
    max_watchers: int = Field(
        100, ge=1, description="Connections to GET /events and /ws/events that one API process holds open."
    )
    watch_batch_ms: int = Field(50, ge=10, le=5000, description="Milliseconds in which news for a watcher gathers.")
    watch_events_per_second: int = Field(
        2000, ge=20, description="Most events that one watcher is told; what comes faster is told in longer pieces."
    )
    max_history_chars: int = Field(
        96_000,
        ge=0,
        description="Budget of earlier turns in the prompt, in characters (about 24,000 tokens).",
    )
    max_answer_chars: int = Field(
        400_000,
        ge=1,
        description="Longest answer, in characters; a longer one ends with finish_reason length.",
    )
    max_turn_seconds: float = Field(600, gt=0, le=3600, description="Longest turn; then it ends with a terminal error.")

    provider_first_timeout: float = Field(
        120,
        gt=0,
        description="Seconds to the first byte of an answer, in which some services load a model and read the prompt.",
    )
    provider_timeout: float = Field(
        60,
        gt=0,
        description="Seconds without a byte from the model's service, in mid-answer, after which it counts as failed.",
    )
    provider_retries: int = Field(
        3,
        ge=0,
        le=10,
        description="Further tries when the service answers with a passing failure before the first token.",
    )
    provider_retry_seconds: float = Field(
        60,
        ge=0,
        description="Seconds that all of a turn's failed tries and the waits between them may take together; a service "
        "that cannot be reached, because it restarts perhaps, is asked again for so long.",
    )
    provider_drop: Literal["restart", "error"] = Field(
        "restart",
        description="When the service breaks off in mid-answer: restart as a new attempt, or end and keep the partial.",
    )
