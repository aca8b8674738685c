"""What providers and the engine tell each other over a local socket: length, then MessagePack, of one of these."""

from asyncio import StreamReader
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_BYTES = 64 * 1024 * 1024
"""Of a message: a question with its whole history."""
_LENGTH = 4

Mode = Literal["sink", "window", "full"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None: the engine's own. `sinks` and `window` are tokens; `system` keeps the whole system prompt as sinks.
    `ignore_eos` goes on behind the token that ends an answer, to measure."""

    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    seed: int | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: list[str] = []
    mode: Mode | None = None
    sinks: Annotated[int, Meta(ge=0)] | Literal["system"] | None = None
    window: Annotated[int, Meta(ge=1)] | None = None
    ignore_eos: bool = False


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """`messages` and `tools` as OpenAI's chat completions have them. `begun`: the text of the answer that is to be gone
    on with. `conversation`: whose it is; what was read for it may be kept. `is_whole`: what is not among the messages
    is to be forgotten."""

    id: int
    messages: list[dict[str, Any]]
    options: Options
    begun: str = ""
    conversation: str = ""
    tools: list[dict[str, Any]] = []
    is_whole: bool = False


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Nobody wants the rest."""

    id: int


class Said(msgspec.Struct, frozen=True, tag="said"):
    id: int
    text: str


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """`cached_tokens` of the `input_tokens` had been read before."""

    id: int
    reason: Literal["stop", "length"]
    input_tokens: int
    output_tokens: int
    cached_tokens: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """`is_of_request`: whoever asks again is told the same."""

    id: int
    message: str
    is_of_request: bool = False
    is_too_long: bool = False


class State(msgspec.Struct, frozen=True, tag="state"):
    """Told whenever it changes. `loading` for as long as no answer can begin."""

    state: Literal["loading", "ready", "failed"]
    what: str = ""
    """What went wrong, if it has failed; else the model's name."""
    answering: int = 0
    waiting: int = 0
    slots: int = 0


FromProvider = Ask | Stop
FromEngine = Said | Ended | Failed | State


def encode(message: FromProvider | FromEngine) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_LENGTH, "big") + body


async def read_body(reader: StreamReader) -> bytes:
    """Raises asyncio.IncompleteReadError at the end, ValueError for what is too long."""
    length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return await reader.readexactly(length)
