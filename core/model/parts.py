"""The parts of an answer: what a tape is made of, as msgpack arrays whose first element names the kind.

A part that grows (text, reasoning, refusal, a tool call's arguments) is as long as its characters (Unicode code
points); any other part counts 1. A process that meets a kind of a later release keeps it as `Unknown`, and finds its
length: kinds that grow have a `+` before their tag (all but `Text` and `Reasoning`), and their text as the second
element.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from core.model.errors import HopstreamError

GROWS = "+"


class Text(msgspec.Struct, array_like=True, tag="t", frozen=True):
    text: str

    def __len__(self) -> int:
        return len(self.text)


class Reasoning(msgspec.Struct, array_like=True, tag="r", frozen=True):
    """What a reasoning model thinks before it answers."""

    text: str

    def __len__(self) -> int:
        return len(self.text)


class Refusal(msgspec.Struct, array_like=True, tag="+f", frozen=True):
    """What a model says instead of an answer that it refuses to give."""

    text: str

    def __len__(self) -> int:
        return len(self.text)


class ToolCall(msgspec.Struct, array_like=True, tag="c", frozen=True):
    """A whole call of a tool; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    def __len__(self) -> int:
        return 1


class ToolCallBegun(msgspec.Struct, array_like=True, tag="k", frozen=True):
    """A call of a tool whose arguments follow as `ToolArguments`."""

    id: str
    name: str

    def __len__(self) -> int:
        return 1


class ToolArguments(msgspec.Struct, array_like=True, tag="+a", frozen=True):
    """A piece of the JSON text of a call that has begun. `call` counts the tape's `ToolCallBegun` from 0: calls that a
    model writes side by side take turns on the tape."""

    text: str
    call: int

    def __len__(self) -> int:
        return len(self.text)


class ToolResult(msgspec.Struct, array_like=True, tag="o", frozen=True):
    """What a tool answered; `call_id` is the call's."""

    call_id: str
    content: str
    is_error: bool = False
    name: str = ""
    """The tool's; empty where its caller has not told it."""
    seconds: float | None = None
    """How long it took."""
    truncated: bool = False
    """Whether it had more to say than is kept."""
    in_doubt: bool = False
    """Nobody knows whether the call was carried out: its worker was lost meanwhile."""

    def __len__(self) -> int:
        return 1


class StepBegun(msgspec.Struct, array_like=True, tag="s", frozen=True):
    """A pass through the model begins, with the results of the tools that it has called in the one before. `number`
    counts the turn's steps from 1."""

    number: int

    def __len__(self) -> int:
        return 1


class StepEnded(msgspec.Struct, array_like=True, tag="z", frozen=True):
    """The step of this `number` is over: no further call of it is made."""

    number: int

    def __len__(self) -> int:
        return 1


class Opaque(msgspec.Struct, array_like=True, tag="q", frozen=True):
    """What a service wants back unchanged with the answer, and nobody else can read: the signature of a thought, or one
    that is encrypted. `kind` names it, its service first."""

    kind: str
    data: str

    def __len__(self) -> int:
        return 1


class Unknown:
    """A part of a kind that this process does not know: kept and counted, and shown by nobody."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[Any]) -> None:
        self.fields = fields
        """The msgpack array as it came, tag first."""

    @property
    def grows(self) -> bool:
        return self.fields[0].startswith(GROWS) and len(self.fields) > 1 and isinstance(self.fields[1], str)

    @property
    def kind(self) -> list[Any]:
        """All but the text of one that grows."""
        return [self.fields[0], *self.fields[2:]]

    def __len__(self) -> int:
        return len(self.fields[1]) if self.grows else 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]


Growing = Text | Reasoning | Refusal | ToolArguments
Known = (
    Text | Reasoning | Refusal | ToolCall | ToolCallBegun | ToolArguments | ToolResult | StepBegun | StepEnded | Opaque
)
Part = Known | Unknown
if TYPE_CHECKING:
    Parts = list[Part]
else:
    Parts = list[Known]
    """For the fields of events: msgspec reads the known parts by itself, and `decode_parts` lists with others."""

_KNOWN_TAGS = {kind.__struct_config__.tag for kind in Known.__args__}
_DECODER = msgspec.msgpack.Decoder(list[Known])
_ONE = msgspec.msgpack.Decoder(Known)
_PIECES = msgspec.msgpack.Decoder(list[msgspec.Raw])


def encode_unknown(unknown: Unknown) -> list[Any]:
    """For msgspec's encoders: as it came."""
    return unknown.fields


_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_unknown)


class BadParts(HopstreamError):
    code = "bad_parts"
    title = "The parts of an answer cannot be read"


def encode_parts(parts: list[Part]) -> bytes:
    return _ENCODER.encode(parts)


def decode_parts(data: bytes | msgspec.Raw) -> list[Part]:
    """Raises BadParts."""
    try:
        try:
            return cast(list[Part], _DECODER.decode(data))
        except msgspec.ValidationError:
            return [_decode_part(raw) for raw in _PIECES.decode(data)]
    except msgspec.MsgspecError as error:
        raise BadParts(f"the parts cannot be decoded: {error}") from error


def _decode_part(raw: msgspec.Raw) -> Part:
    try:
        part: Known = _ONE.decode(raw)
    except msgspec.ValidationError:
        fields = msgspec.msgpack.decode(raw)
        if not isinstance(fields, list) or not fields or not isinstance(fields[0], str) or fields[0] in _KNOWN_TAGS:
            raise
        return Unknown(fields)
    return part


def cut(part: Part, start: int, end: int) -> Part:
    """The piece of one part between two offsets in it."""
    if start == 0 and end == len(part):
        return part
    match part:
        case Text(text):
            return Text(text[start:end])
        case Reasoning(text):
            return Reasoning(text[start:end])
        case Refusal(text):
            return Refusal(text[start:end])
        case ToolArguments(text, call):
            return ToolArguments(text[start:end], call)
        case Unknown(grows=True):
            return Unknown([part.fields[0], part.fields[1][start:end], *part.fields[2:]])
        case _:
            return part


def merge(parts: list[Part]) -> list[Part]:
    """Join neighbours of one kind that grow into one part each."""
    if set(map(type, parts)) == {Text}:  # nearly always
        return [Text("".join([part.text for part in parts]))]  # type: ignore[union-attr]
    merged: list[Part] = []
    run: list[Part] = []
    for part in parts:
        if run and not _grow_together(run[-1], part):
            merged.append(_join(run))
            run = []
        run.append(part)
    if run:
        merged.append(_join(run))
    return merged


def recut(parts: list[Part], sizes: list[int]) -> list[Part]:
    """Merged parts cut again to the sizes that they had before; as they are where the sizes do not fit them."""
    pieces: list[Part] = []
    rest = iter(sizes)
    for part in parts:
        start = 0
        while start < len(part):
            size = next(rest, 0)
            if not 0 < size <= len(part) - start:
                return parts
            pieces.append(cut(part, start, start + size))
            start += size
    return pieces


def whole_tool_calls(parts: Iterable[Part]) -> list[ToolCall]:
    """All calls in the order in which they began, those that came in pieces put together."""
    calls: list[ToolCall] = []
    begun: list[int] = []
    """Where in `calls` those are that came in pieces."""
    for part in parts:
        match part:
            case ToolCall():
                calls.append(part)
            case ToolCallBegun(id, name):
                begun.append(len(calls))
                calls.append(ToolCall(id, name, ""))
            case ToolArguments(text, call) if 0 <= call < len(begun):
                known = calls[begun[call]]
                calls[begun[call]] = ToolCall(known.id, known.name, known.arguments + text)
    return calls


def _grow_together(before: Part, part: Part) -> bool:
    """Whether both grow, as one."""
    match before:
        case ToolArguments(call=call):
            return isinstance(part, ToolArguments) and part.call == call
        case Unknown():
            return isinstance(part, Unknown) and before.grows and part.grows and before.kind == part.kind
        case Text() | Reasoning() | Refusal():
            return type(part) is type(before)
        case _:
            return False


def _join(run: list[Part]) -> Part:
    first = run[0]
    if len(run) == 1:
        return first
    if isinstance(first, Unknown):
        text = "".join([part.fields[1] for part in run])  # type: ignore[union-attr]
        return Unknown([first.fields[0], text, *first.fields[2:]])
    return msgspec.structs.replace(first, text="".join([part.text for part in run]))  # type: ignore[union-attr]
