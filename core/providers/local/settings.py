"""What an engine is started with."""

from typing import Literal

import msgspec

from core.providers.local.protocol import Mode


class EngineSettings(msgspec.Struct, frozen=True):
    """Given as JSON on the engine's command line: there are no secrets in it. Processes with equal ones share an
    engine; `version` keeps those of two releases apart."""

    model: str
    """A folder, a `.gguf` file, or a name of the hub."""
    folder: str
    """Of what is converted."""
    version: str
    dtype: str = "auto"
    device: str = "auto"
    context: int = 1024
    """Tokens that a conversation has room for."""
    mode: Mode = "sink"
    sinks: int | Literal["system"] = 4
    answers: int = 16
    """That run at once."""
    kept: int = 16
    """Conversations whose cache is kept beside them."""
    piece: int = 64
    """Tokens that are read at once, while other answers wait."""
    threads: int = 0
    """0: as many as torch chooses."""
    idle_seconds: float = 10.0
    """Without a provider, and the engine ends."""
