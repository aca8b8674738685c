"""A lookout: hears the event bus and looks at the store, for as long as anybody in this process wants to know.

The bus makes it quick and the store makes it sure: whatever becomes of RabbitMQ, what is new is seen at the next look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress

from core.background import Background
from core.bus.listener import ALL, BusListener
from core.bus.messages import BusMessage
from core.model.errors import StoreDown

LOOK_SECONDS = 2.0
LINGER_SECONDS = 10.0
"""The bus is listened to so much longer than anybody wants to know: a page that reconnects finds it open."""


class Lookout:
    def __init__(
        self,
        broker_url: str,
        on_message: Callable[[BusMessage], None],
        look: Callable[[], Awaitable[None]],
        forget: Callable[[], None],
        routing_keys: Sequence[str] = ALL,
        *,
        look_seconds: float,
        linger_seconds: float,
    ) -> None:
        """`look` may raise StoreDown. `forget`: what was seen grows old from now on, as nobody looks any more."""
        self._broker_url = broker_url
        self._on_message = on_message
        self._look = look
        self._forget = forget
        self._routing_keys = routing_keys
        self._look_seconds = look_seconds
        self._linger_seconds = linger_seconds
        self._waiting = 0
        self._listener: BusListener | None = None
        self._looking = Background()
        self._background = Background()
        self._ending: set[asyncio.Task[None]] = set()
        """What is let go of, and has not ended yet."""
        self._leaving: asyncio.TimerHandle | None = None
        self._is_stopped = False

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Somebody wants to know."""
        self._waiting += 1
        self._begin()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._leaving is None and not self._is_stopped:
                self._leaving = asyncio.get_running_loop().call_later(self._linger_seconds, self._leave)

    def run(self, name: str, looking: Awaitable[None]) -> None:
        """Look once more, in the background; should that fail, the next look makes up for it."""
        self._looking.run(name, _unless_down(looking))

    async def stop(self) -> None:
        self._is_stopped = True
        if self._leaving is not None:
            self._leaving.cancel()
        await asyncio.gather(self._end(), *self._ending)

    def _begin(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self._listener is None and not self._is_stopped:
            self._listener = BusListener(self._broker_url, self._on_message, self._look_soon, self._routing_keys)
            self._listener.start()
            self._looking.repeat("look", self._look, pause_seconds=self._look_seconds, put_off_by=(StoreDown,))

    def _leave(self) -> None:
        self._leaving = None
        ending = self._background.run("stop listening", self._end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _end(self) -> Coroutine[None, None, None]:
        """Let go of it at once, so that whoever comes meanwhile begins anew; what is returned waits for its end."""
        listener, self._listener = self._listener, None
        looking, self._looking = self._looking, Background()
        self._forget()
        return _stop(looking, listener)

    def _look_soon(self) -> None:
        self.run("look", self._look())


async def _stop(looking: Background, listener: BusListener | None) -> None:
    await looking.stop()
    if listener is not None:
        await listener.stop()


async def _unless_down(looking: Awaitable[None]) -> None:
    with suppress(StoreDown):
        await looking
