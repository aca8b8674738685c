"""Bundles: under load, all that a worker has to say at one moment is one message, and goes to every API process.

What RabbitMQ does for a message costs the same for one turn's batch as for a hundred. A message by a turn's own key
goes only where the turn is watched; a bundle goes everywhere, and an API process passes over what it does not watch.
"""

import msgspec

from core.model.events import BadEvent

BUNDLE = "bundle"
"""The routing key that every inbox is bound to. A turn's key has a dot in it."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])


def encode_bundle(events: dict[str, bytes]) -> bytes:
    """By routing key, what would else be a message of its own."""
    return _ENCODER.encode({key: msgspec.Raw(body) for key, body in events.items()})


def decode_bundle(body: bytes) -> dict[str, msgspec.Raw]:
    """The bodies stay as they are, for most may be of turns that nobody watches here. Raises BadEvent."""
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise BadEvent(f"the bundle cannot be decoded: {error}") from error
