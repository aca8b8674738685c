"""Functions that are tools, for tests."""

import asyncio
import os
import sys
import threading
from datetime import date
from typing import Annotated, Any, Never

from pydantic import BaseModel, Field

from core.tools.base import ToolCallContext, ToolError, ToolOutput


class Place(BaseModel):
    city: str
    days: list[date] = []


async def weather(place: Place, unit: Annotated[str, Field(description="C or F.")] = "C") -> dict[str, Any]:
    """Tells the weather.

    Of any day.
    """
    return {"place": place, "unit": unit}


def odd_names(schema: int, _private: int = 2, *, model_config: int = Field(3, ge=1), copy: Any = None) -> str:
    return f"{schema} {_private} {model_config} {copy}"


def whose(first: ToolCallContext, text: str, second: ToolCallContext) -> str:
    """Where a call is from."""
    return f"{first.idempotency_key} {text} {second.key_name}"


def thread() -> str:
    return threading.current_thread().name


def nothing() -> None: ...


def halves(text: str) -> str:
    return f"\0{text}\ud800"


def characters(texts: list[str]) -> list[list[int]]:
    """The characters of each."""
    return [[*map(ord, text)] for text in texts]


def long(length: int) -> str:
    return "x" * length


def no_text() -> ToolOutput:
    return ToolOutput({"a": 1})  # type: ignore[arg-type]


def refuse_by_number() -> Never:
    raise ToolError(5)  # type: ignore[arg-type]


def finished() -> ToolOutput:
    return ToolOutput("no", is_error=True)


def refuse() -> Never:
    raise ToolError("The shop is closed.")


def break_down() -> Never:
    raise ZeroDivisionError("of mine")


def run_out() -> Never:
    raise StopIteration


def leave() -> Never:
    sys.exit(3)


def unserializable() -> object:
    return object()


async def leave_at_once() -> Never:
    sys.exit(3)


async def be_slow_by_itself() -> Never:
    raise TimeoutError("of mine")


async def cancel_itself() -> Never:
    raise asyncio.CancelledError


async def hang() -> Never:
    await asyncio.Event().wait()
    raise AssertionError


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def be_speechless() -> Never:
    raise Speechless


released = threading.Event()


def block() -> str:
    released.wait()
    return "released"


def process() -> int:
    return os.getpid()


def positional(text: str, /) -> str:
    return text


def any_number(*texts: str) -> str:
    return str(texts)


def no_schema(value: threading.Thread) -> str:
    return str(value)


NOT_A_FUNCTION = 1
