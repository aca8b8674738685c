"""The fake relay: answers in all controllers' place, so that what posts to narrators can be tested without any."""

import asyncio
from collections.abc import Sequence

from api.narrator.relay import Narration, RelayedMessage
from core.model.errors import HopstreamError
from core.setting_groups.types import FAKE
from core.settings import Settings


class FakeRelay:
    """`create_app(settings, relay=FakeRelay(["All is well."]))`; in processes of their own by NARRATOR_RELAY."""

    def __init__(self, answers: Sequence[str | HopstreamError], seconds: float = 0.0) -> None:
        """`answers`: one after the other, and the last one again and again; what is an error is raised. `seconds`: that
        each takes."""
        self.asked: list[RelayedMessage] = []
        self._answers = answers
        self._seconds = seconds

    async def relay(self, message: RelayedMessage) -> Narration:
        self.asked.append(message)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        await asyncio.sleep(self._seconds)
        if isinstance(answer, HopstreamError):
            raise answer
        return Narration(answer)


def relay_of(settings: Settings) -> FakeRelay | None:
    """Of NARRATOR_RELAY. Raises SystemExit where people could take it for a controller."""
    if settings.narrator_relay is None:
        return None
    if settings.env != "test":
        raise SystemExit(f"NARRATOR_RELAY: is for tests, with ENV=test; here ENV is {settings.env}")
    return FakeRelay([settings.narrator_relay.removeprefix(FAKE)])
