"""Whether Redis is there, for all who want to know."""

from time import time

import msgspec


class RedisState(msgspec.Struct):
    is_up: bool = False
    is_frozen: bool = False
    """It took the connection, and says nothing."""
    since: float = msgspec.field(default_factory=time)
    why: str = "not asked yet"
    memory_bytes: int = 0
    most_memory_bytes: int = 0
    """0: as much as there is."""
    lines: int = 0
    """In the stream."""

    @property
    def word(self) -> str:
        if self.is_up:
            return "up"
        return "frozen" if self.is_frozen else "away"

    def up(self) -> bool:
        """Whether that is news."""
        if self.is_up:
            return False
        self.is_up, self.is_frozen, self.since, self.why = True, False, time(), ""
        return True

    def away(self, why: str, *, is_frozen: bool = False) -> bool:
        """Whether that is news."""
        was_up = self.is_up
        if was_up:
            self.since = time()
        self.is_up, self.is_frozen, self.why = False, is_frozen, why
        return was_up
