"""Settings: the local engine."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode


def _int_or_word(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


class LocalSettings(BaseSettings):
    local_model: str | None = Field(
        None,
        min_length=1,
        description="A model that answers on this machine: its folder, a .gguf file, or its name at the hub.",
    )
    local_dir: Path = Field(Path("data/local"), description="Folder of what is made of .gguf files, once.")
    local_device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="cpu, cuda, cuda:1; auto: a GPU, if there is one. Apple's cannot count positions exactly.",
    )
    local_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="What it computes with; auto: float32 on a CPU, bfloat16 elsewhere."
    )
    local_context: int = Field(
        1024,
        ge=32,
        le=1_000_000,
        description="Tokens of a conversation that the cache has room for; memory grows by it.",
    )
    local_cache: Literal["sink", "window", "full"] = Field(
        "sink",
        description="sink: the first tokens and the newest ones, without end (StreamingLLM); window: the newest; full: "
        "all, and where LOCAL_CONTEXT is full the answer ends.",
    )
    local_sinks: Annotated[int | Literal["system"], NoDecode, BeforeValidator(_int_or_word)] = Field(
        4, description="First tokens that are kept for good; system: the whole system prompt."
    )
    local_answers: int = Field(16, ge=1, le=1024, description="Answers at once; others wait. Memory grows by it.")
    local_kept: int = Field(
        16, ge=0, le=1024, description="Conversations whose cache is kept for the next question. Memory grows by it."
    )
    local_threads: int = Field(
        0, ge=0, le=1024, description="Threads that compute on a CPU; 0: as many as torch takes."
    )
