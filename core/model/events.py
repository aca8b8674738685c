"""Events of a running turn as they travel through RabbitMQ: msgpack arrays, the first element names the kind.

`llm.sessions` carries all of them; a session log has snapshots and batches.
"""

import msgspec

from core.model.errors import HopstreamError
from core.model.tape import Part


class Usage(msgspec.Struct, array_like=True, frozen=True):
    input_tokens: int
    output_tokens: int


class Start(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """An attempt begins. `reason` says why where it is not the first: worker_lost, provider_drop or handed_over."""

    attempt: int
    model: str
    reason: str | None = None


class Batch(msgspec.Struct, array_like=True, tag="b", frozen=True):
    """What gathered on the tape since the last batch; `position` is where it begins."""

    attempt: int
    position: int
    parts: list[Part]


class Snapshot(msgspec.Struct, array_like=True, tag="s", frozen=True):
    """The whole tape so far."""

    attempt: int
    model: str
    parts: list[Part]
    reason: str | None = None


class Done(msgspec.Struct, array_like=True, tag="done", frozen=True):
    """The turn ended well, or was cancelled. `position` is the length of its tape."""

    attempt: int
    position: int
    finish_reason: str
    usage: Usage | None = None


class Failed(msgspec.Struct, array_like=True, tag="error", frozen=True):
    """The turn ended with an error. `position` is the length of the partial that is kept."""

    attempt: int
    position: int
    code: str
    message: str


End = Done | Failed
Event = Start | Batch | Snapshot | Done | Failed

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Event)


class BadEvent(HopstreamError):
    code = "bad_event"
    title = "An event from the broker cannot be read"


def encode(event: Event) -> bytes:
    return _ENCODER.encode(event)


def decode(body: bytes | msgspec.Raw) -> Event:
    """Raises BadEvent."""
    try:
        event: Event = _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise BadEvent(f"the event cannot be decoded: {error}") from error
    return event
