"""Which turns and sessions a list shall have."""

from typing import Annotated

import msgspec
from pydantic import AfterValidator, BaseModel, Field

from api.inputs.chat import SessionId
from api.inputs.labels import MAX_NAME_CHARS, MAX_PAIRS, MAX_VALUE_CHARS, Label, split_pair
from core.model.storable import Storable
from core.providers.catalogue.models import ModelName
from core.store.turns.filters import State, TurnFilter
from core.store.turns.pages import NEWEST, Bookmark

MAX_TEXT_CHARS = 4000
"""Lists are short; a whole answer is in its session."""


def _check_pair(pair: str) -> str:
    split_pair(pair)
    return pair


def _check_bookmark(text: str) -> str:
    Bookmark.decode(text)
    return text


Pair = Annotated[str, Field(max_length=MAX_NAME_CHARS + 1 + MAX_VALUE_CHARS), Storable, AfterValidator(_check_pair)]


class ListQuery(BaseModel):
    """How many, and filters that one turn has to fit, all of them."""

    goal_id: Label | None = None
    work_item_id: Label | None = None
    run_id: Label | None = None
    model: ModelName | None = Field(None, description="That was asked for.")
    status: list[State] = Field([], description="One of these; what was `cancelled` is not `done`.")
    metadata: Annotated[list[Pair], Field(max_length=MAX_PAIRS)] = Field(
        [], description="`name:value`, all of them; the first colon divides.", examples=[["team:search"]]
    )
    limit: int = Field(50, ge=1, le=500)

    def wanted(self) -> TurnFilter:
        return TurnFilter(
            goal_id=self.goal_id,
            work_item_id=self.work_item_id,
            run_id=self.run_id,
            model=self.model,
            states=frozenset(self.status),
            metadata=tuple(map(split_pair, self.metadata)),
        )


class TurnsQuery(ListQuery):
    session_id: SessionId | None = None
    before: Annotated[str, AfterValidator(_check_bookmark)] | None = Field(
        None, description="`next` of the page before."
    )
    text_chars: int = Field(0, ge=0, le=MAX_TEXT_CHARS, description="How much of the end of each answer is told.")

    def wanted(self) -> TurnFilter:
        return msgspec.structs.replace(super().wanted(), session_id=self.session_id)

    @property
    def bookmark(self) -> Bookmark:
        return NEWEST if self.before is None else Bookmark.decode(self.before)
