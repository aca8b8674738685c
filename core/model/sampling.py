"""How a model is asked to choose its words: the options that a question may have, and an agent."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.model.storable import Storable


class Sampling(BaseModel):
    """Passed on to the model, in its service's own words. What it has not got is refused by name."""

    model_config = ConfigDict(extra="forbid")

    temperature: float | None = Field(None, ge=0, le=2, strict=True)
    top_p: float | None = Field(None, ge=0, le=1, strict=True)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000, strict=True)
    stop: Annotated[str | Annotated[list[str], Field(max_length=4)], Storable] | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2, strict=True)
    frequency_penalty: float | None = Field(None, ge=-2, le=2, strict=True)
    seed: int | None = Field(None, strict=True)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
