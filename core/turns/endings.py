"""Endings: how a turn ends whose owner does not end it."""

from core.broker.connection import BrokerConnection
from core.broker.session_log import close_log
from core.model.errors import BrokerDown
from core.model.events import End
from core.store.store import Store
from core.store.turns.records import Turn
from core.turns.subscribers import Moment, TurnSubscribers


class Endings:
    def __init__(self, store: Store, connection: BrokerConnection, subscribers: TurnSubscribers) -> None:
        self._store = store
        self._connection = connection
        self._subscribers = subscribers

    async def end(self, turn: Turn, end: End) -> bool:
        """End a turn that has no living owner, and tell its viewers. False where it has one again, or is finished."""
        ended = await self._store.orphans.finish(turn.key, end)
        if ended is None:
            return False
        self.tell(turn, ended)
        if turn.mode == "queue":
            await self.announce(turn, ended)
        return True

    def tell(self, turn: Turn, end: End) -> None:
        """That the turn was ended here, in the store."""
        self._subscribers.tell(Moment.ENDED, turn, end=end)

    async def announce(self, turn: Turn, end: End) -> None:
        """Tell the viewers, and delete the session log. While the broker is away they ask the store by themselves."""
        try:
            await self._connection.call(lambda channel: close_log(channel, turn.key, end))
        except BrokerDown:
            return
