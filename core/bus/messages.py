"""What the event bus carries: one message for each moment of a turn, without its tokens; and that a narrator has
something new."""

import hashlib
from time import time

import msgspec

from core.model.errors import HopstreamError
from core.model.events import Done, Failed
from core.turns.subscribers import TurnEvent

NO_GOAL = "-"
NARRATOR = "narrator"
"""A moment of a conversation's narrator, which has something new in the store. Its `turn` is 0: processes that do not
know it find no such turn, and leave it."""


class BusMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A msgpack map. Readers pass over keys that they do not know, and moments as well."""

    moment: str
    session_id: str
    turn: int
    attempt: int
    mode: str
    model: str
    at: float
    """Seconds since 1970, by the clock of the process that tells."""
    process: str
    request_id: str = ""
    goal_id: str | None = None
    work_item_id: str | None = None
    run_id: str | None = None
    metadata: dict[str, str] = {}
    reason: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error_code: str | None = None
    length: int | None = None
    """Of the answer's tape, once it has ended."""

    @classmethod
    def of(cls, event: TurnEvent, process: str) -> "BusMessage":
        turn, end = event.turn, event.end
        usage = end.usage if isinstance(end, Done) else None
        return cls(
            moment=event.moment,
            session_id=turn.session_id,
            turn=turn.turn,
            attempt=event.attempt,
            mode=turn.mode,
            model=turn.model,
            at=event.at,
            process=process,
            request_id=turn.context.request_id,
            goal_id=turn.labels.goal_id,
            work_item_id=turn.labels.work_item_id,
            run_id=turn.labels.run_id,
            metadata=turn.labels.metadata,
            reason=event.reason,
            finish_reason=end.finish_reason if isinstance(end, Done) else None,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            error_code=end.code if isinstance(end, Failed) else None,
            length=end.position if end else None,
        )

    @classmethod
    def of_narrator(cls, session_id: str, process: str) -> "BusMessage":
        return cls(
            moment=NARRATOR,
            session_id=session_id,
            turn=0,
            attempt=0,
            mode="",
            model="",
            at=time(),
            process=process,
        )

    @property
    def routing_key(self) -> str:
        return routing_key(self.moment, self.session_id if self.moment == NARRATOR else self.goal_id)


class BadBusMessage(HopstreamError):
    code = "bad_bus_message"
    title = "A message of the event bus cannot be read"


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(BusMessage)


def encode_message(message: BusMessage) -> bytes:
    return _ENCODER.encode(message)


def decode_message(body: bytes) -> BusMessage:
    """Raises BadBusMessage."""
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise BadBusMessage(f"the message cannot be decoded: {error}") from error


def routing_key(moment: str, about: str | None) -> str:
    """`<moment>.<goal>`, and a narrator's `<moment>.<session>`. These may have any characters and length, a routing key
    not: theirs is a digest."""
    return f"{moment}.{digest_word(about)}"


def digest_word(about: str | None) -> str:
    return NO_GOAL if about is None else hashlib.blake2b(about.encode(), digest_size=12).hexdigest()
