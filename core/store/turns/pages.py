"""Pages: lists of turns, newest first, each going on where the one before ends, whatever was added meanwhile."""

import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, NamedTuple

import msgspec
import sqlalchemy as sa

from core.model.keys import SESSION_ID_PATTERN
from core.model.tape import Tape
from core.store.schema import first_bytes, turns
from core.store.turns.filters import TurnFilter
from core.store.turns.records import ListedTurn, TurnFacts
from core.store.turns.rows import beginning, take_labels

MESSAGE_CHARS = 200
"""Of the question; whoever wants the rest asks for the session."""
MESSAGE_BYTES = 8 * MESSAGE_CHARS
"""So much of it is read: a character has up to four, and white space is folded."""
TAPES_AT_ONCE = 20
"""Answers may be long."""


class Bookmark(msgspec.Struct, frozen=True, array_like=True):
    """The last turn of a page."""

    created_at: float
    session_id: Annotated[str, msgspec.Meta(pattern=SESSION_ID_PATTERN)]
    turn: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]

    def encode(self) -> str:
        """Fit for a URL."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def decode(cls, text: str) -> "Bookmark":
        """Raises ValueError."""
        try:
            return msgspec.json.decode(urlsafe_b64decode(text), type=cls)
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError("is no bookmark of a list of turns") from error


NEWEST = Bookmark(sys.float_info.max, "", 0)
"""In front of all turns. The first page has a bookmark like any: with a filter but without one, SQLite would read all
turns and sort them."""


class TurnPage(NamedTuple):
    turns: list[ListedTurn]
    next: Bookmark | None
    """The page that follows goes on here; None: there is none."""


_NAMES = [name for name in TurnFacts.__struct_fields__ if name not in ("message", "labels")]
_PLACE = (turns.c.created_at, turns.c.session_id, turns.c.turn)
_PAGE = (
    sa.select(
        *(turns.c[name] for name in _NAMES),
        *(turns.c.goal_id, turns.c.work_item_id, turns.c.run_id, turns.c.metadata),
        first_bytes(turns.c.message, MESSAGE_BYTES).label("message"),
    )
    .where(sa.tuple_(*_PLACE) < sa.tuple_(*(sa.bindparam(f"before_{each.name}", type_=each.type) for each in _PLACE)))
    .order_by(*(each.desc() for each in _PLACE))
)
_PAGE_WITH_TAPES = _PAGE.add_columns(turns.c.tape).execution_options(yield_per=TAPES_AT_ONCE)


def read_page(
    connection: sa.Connection,
    in_reach: sa.ColumnElement[bool],
    wanted: TurnFilter,
    limit: int,
    before: Bookmark,
    text_chars: int,
) -> TurnPage:
    query = (_PAGE_WITH_TAPES if text_chars else _PAGE).where(in_reach, *wanted.conditions()).limit(limit + 1)
    place = {f"before_{name}": value for name, value in msgspec.structs.asdict(before).items()}
    with connection.execute(query, place) as rows:
        found = [_listed(row, text_chars) for row in rows]
    if len(found) <= limit:
        return TurnPage(found, None)
    last = found[limit - 1]
    return TurnPage(found[:limit], Bookmark(last.created_at, last.session_id, last.turn))


def _listed(row: sa.Row[Any], text_chars: int) -> ListedTurn:
    values = dict(row._mapping)
    tape = values.pop("tape", None)
    text = Tape.decode(tape).text()[-text_chars:] if tape else ""
    values["message"] = beginning(values["message"].decode(errors="ignore"), MESSAGE_CHARS)
    labels = take_labels(values)
    return ListedTurn(**values, labels=labels, text=text)
