"""Events of a running turn as they travel through RabbitMQ: msgpack arrays, the first element names the kind.

`llm.sessions` carries all of them; a session log has snapshots and batches. Whoever reads them passes over kinds that
it does not know, and fields behind those that it knows: a later release may have more of both.
"""

import msgspec

from core.model.errors import HopstreamError
from core.model.parts import BadParts, Parts, decode_parts, encode_unknown


class Usage(msgspec.Struct, array_like=True, frozen=True):
    """Tokens. Cached ones are part of the input, those of reasoning part of the output; None: nobody told."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    """Of the input: those that the service had read before."""
    reasoning_tokens: int | None = None
    """Of the output: those of what the model thought."""


class Start(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """An attempt begins, or another model answers than it began with. `reason` says why where it is not the first:
    worker_lost, provider_drop or handed_over."""

    attempt: int
    model: str
    """By the catalogue's name."""
    reason: str | None = None
    provider: str = ""


class Batch(msgspec.Struct, array_like=True, tag="b", frozen=True):
    """What gathered on the tape since the last batch, part by part; `position` is where it begins."""

    attempt: int
    position: int
    parts: Parts


class Snapshot(msgspec.Struct, array_like=True, tag="s", frozen=True):
    """The whole tape so far, merged; `sizes` are the lengths of its parts as they came, where
    any were merged."""

    attempt: int
    model: str
    parts: Parts
    reason: str | None = None
    sizes: list[int] = []
    provider: str = ""
    origin: int = 0
    """The attempt with which this tape began: those after it have gone on with it. 0: this one."""


class Done(msgspec.Struct, array_like=True, tag="done", frozen=True):
    """The turn ended well, or was cancelled. `position` is the length of its tape."""

    attempt: int
    position: int
    finish_reason: str
    usage: Usage | None = None
    model: str | None = None
    """Which one has answered, by the word of the model's service."""
    provider: str | None = None
    raw_finish_reason: str | None = None
    """In the words of the model's service."""


class Failed(msgspec.Struct, array_like=True, tag="error", frozen=True):
    """The turn ended with an error. `position` is the length of the partial that is kept."""

    attempt: int
    position: int
    code: str
    message: str


End = Done | Failed
Event = Start | Batch | Snapshot | Done | Failed

_TAGS = {kind.__struct_config__.tag for kind in Event.__args__}

ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_unknown)
DECODER = msgspec.msgpack.Decoder(Event)
"""Of all that this release knows; `decode` passes over what a later one may add."""
_FIELDS = msgspec.msgpack.Decoder(list[msgspec.Raw])
_PARTS_AT = {"b": 3, "s": 3}
"""In events of these kinds: which field has the parts."""
_NO_PARTS = msgspec.Raw(msgspec.msgpack.encode([]))


class BadEvent(HopstreamError):
    code = "bad_event"
    title = "An event from the broker cannot be read"


def encode(event: Event) -> bytes:
    return ENCODER.encode(event)


def decode(body: bytes | msgspec.Raw) -> Event | None:
    """None for an event of a kind that this process does not know. Raises BadEvent."""
    try:
        event: Event = DECODER.decode(body)
    except msgspec.ValidationError as error:
        return _decode_of_later_release(body, error)
    except msgspec.MsgspecError as error:
        raise BadEvent(f"the event cannot be decoded: {error}") from error
    return event


def _decode_of_later_release(body: bytes | msgspec.Raw, error: msgspec.ValidationError) -> Event | None:
    """An unknown event, or a known one with unknown parts; else the event is just wrong."""
    try:
        fields = _FIELDS.decode(body)
        tag = msgspec.msgpack.decode(fields[0], type=str)
        if tag not in _TAGS:
            return None
        at = _PARTS_AT[tag]
        parts = decode_parts(fields[at])
        event: Event = DECODER.decode(ENCODER.encode([*fields[:at], _NO_PARTS, *fields[at + 1 :]]))
        return msgspec.structs.replace(event, parts=parts)
    except (msgspec.MsgspecError, BadParts, LookupError):
        raise BadEvent(f"the event cannot be decoded: {error}") from error
