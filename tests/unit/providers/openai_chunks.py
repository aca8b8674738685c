"""Chunks as OpenAI sends them, and what is read from them."""

import json
from typing import Any

import msgspec

from core.model.parts import Part
from core.providers.base import Finish
from core.providers.http.reader import ServerEvent
from core.providers.openai.chunks import ChunkReader

STOP = b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}'


def read(*chunks: bytes, by: ChunkReader | None = None) -> list[Part]:
    parts: list[Part] = []
    (by or ChunkReader()).read([*map(ServerEvent, chunks)], parts)
    return parts


def read_all(*chunks: bytes) -> tuple[list[Part], Finish | None]:
    """An answer that ends as it should."""
    parts = read(*chunks, STOP, by=(reader := ChunkReader()))
    more, finish = reader.end() or ([], None)
    return parts + more, finish


def delta(**said: Any) -> bytes:
    return msgspec.json.encode({"choices": [{"index": 0, "delta": said, "finish_reason": None}]})


def usage(**counts: Any) -> bytes:
    return json.dumps({"choices": [], "usage": counts}).encode()
