"""News: which conversations have something new of their narrators, for whoever of this process wants to know."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.bus.lookout import LINGER_SECONDS, LOOK_SECONDS, Lookout
from core.bus.messages import NARRATOR, BusMessage
from core.bus.publisher import BusPublisher
from core.store.store import Store

OnNews = Callable[[], None]


class NarratorNews:
    """One per process. What is new is in the store: here is only told that somebody should look."""

    def __init__(self, store: Store, bus: BusPublisher, broker_url: str) -> None:
        self._store = store
        self._bus = bus
        self._followers: defaultdict[str | None, set[OnNews]] = defaultdict(set)
        """By conversation; None: of all."""
        self._latest: dict[str, int] = {}
        """What the last look has found."""
        self._looked_at: float | None = None
        self._lookout = Lookout(
            broker_url,
            self._on_message,
            self._look,
            self._forget,
            (f"{NARRATOR}.*",),
            look_seconds=LOOK_SECONDS,
            linger_seconds=LINGER_SECONDS,
        )

    async def stop(self) -> None:
        await self._lookout.stop()

    @contextmanager
    def follow(self, session_id: str | None, on_news: OnNews) -> Iterator[None]:
        """A conversation, or all of them. It is called from now on; perhaps for nothing."""
        self._followers[session_id].add(on_news)
        try:
            with self._lookout.keep():
                yield
        finally:
            self._followers[session_id].discard(on_news)
            if not self._followers[session_id]:
                del self._followers[session_id]

    def tell(self, session_id: str) -> None:
        """Something was stored here: all processes are told."""
        self._wake(session_id)
        self._bus.on_narrator(session_id)

    def _on_message(self, message: BusMessage) -> None:
        self._wake(message.session_id)

    async def _look(self) -> None:
        look = await self._store.narrator.look(self._looked_at)
        for session_id, seq in look.latest.items():
            if self._latest.get(session_id) != seq:
                self._wake(session_id)
        self._latest, self._looked_at = look.latest, look.at

    def _forget(self) -> None:
        self._latest, self._looked_at = {}, None

    def _wake(self, session_id: str) -> None:
        for followed in (session_id, None):
            for on_news in list(self._followers.get(followed, ())):
                on_news()
