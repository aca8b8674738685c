"""Publishing of direct turns: while somebody watches one at another API process, the process that runs it does so.

Who watches asks the owner again and again; who is not asked any more says nothing, so that direct mode costs no broker
while nobody looks.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack

import msgspec
import structlog

from core.background import Background
from core.broker.topology import SESSIONS
from core.idle_timer import IdleTimer
from core.model.errors import BrokerDown
from core.model.events import ENCODER
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.turns.owner import TurnOwner
from core.turns.publisher import Outbox, Publisher
from core.turns.run import Run

log = structlog.get_logger()

ASK_SECONDS = 5.0
"""Between two requests for the same turns."""
WANTED_SECONDS = 3 * ASK_SECONDS
"""For so long after a request a turn is published."""


class _Request(msgspec.Struct, array_like=True, frozen=True):
    keys: list[TurnKey]
    anew: bool
    """Whether the turns are to be told from their beginning, for somebody who has heard nothing."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Request)


class DirectPublishing:
    def __init__(self, owner: TurnOwner) -> None:
        """`owner` runs this process's turns."""
        self.own_key = _request_key(owner.runs.process_id)
        """The routing key of what other processes ask of this one."""
        self._owner = owner
        self._connection = owner.connection
        self._outbox = Outbox(owner.connection)
        self._wanted: dict[TurnKey, IdleTimer] = {}
        """The turns that are published, each with a timer since it was last asked for."""
        self._background = Background()

    @property
    def published(self) -> set[TurnKey]:
        """The turns of this process that somebody elsewhere watches."""
        return set(self._wanted)

    def own_feed(self, key: TurnKey) -> Feed | None:
        """Of a turn that this process runs by itself."""
        run = self._owner.keeper.runs.get(key)
        return run.feed if run is not None else None

    async def stop(self) -> None:
        await self._background.stop()

    def ask(self, key: TurnKey, process_id: str) -> None:
        """Have a process publish a turn of its own, all of it. Raises BrokerDown."""
        self._ask([key], process_id, anew=True)

    def ask_on(self, turns: Iterable[tuple[TurnKey, str]]) -> None:
        """The same turns go on to be wanted, each of the process that runs it."""
        by_process: defaultdict[str, list[TurnKey]] = defaultdict(list)
        for key, process_id in turns:
            by_process[process_id].append(key)
        for process_id, keys in by_process.items():
            try:
                self._ask(keys, process_id, anew=False)
            except BrokerDown:
                return

    def on_request(self, body: bytes) -> None:
        """Of another process."""
        try:
            request = _DECODER.decode(body)
        except msgspec.MsgspecError as error:
            log.error("request not read", action="direct.bad_request", error=str(error))
            return
        for key in request.keys:
            run = self._owner.keeper.runs.get(key)
            if run is not None:
                self._publish(run, anew=request.anew)

    def _ask(self, keys: list[TurnKey], process_id: str, *, anew: bool) -> None:
        body = _ENCODER.encode(_Request(keys, anew))
        self._connection.message_channel().publish(body, SESSIONS, _request_key(process_id))

    def _publish(self, run: Run, *, anew: bool) -> None:
        feed, key = run.feed, run.turn.key
        timer = self._wanted.get(key)
        if timer is None:
            self._begin(run)
            return
        timer.touch()
        if anew and feed.attempt:
            self._outbox.send(str(key), ENCODER.encode(feed.snapshot()), _be_unsure)

    def _begin(self, run: Run) -> None:
        """From the beginning to the turn's end, unless it is not wanted any more before."""
        owner, key = self._owner, run.turn.key
        publisher = Publisher(
            run.feed,
            self._connection,
            self._outbox,
            owner.keeper.lease,
            owner.runs.ticks,
            logged_to=lambda: sys.maxsize,
        )
        publishing = self._background.run(f"publish {key}", publisher.run())
        held = ExitStack()
        self._wanted[key] = held.enter_context(IdleTimer(WANTED_SECONDS, publishing.cancel))

        def end(_: object) -> None:
            held.close()
            del self._wanted[key]

        publishing.add_done_callback(end)


def _be_unsure(_: BaseException | None) -> None:
    """Who has not heard it asks again."""


def _request_key(process_id: str) -> str:
    """No turn's key has an @ in it."""
    return f"@{process_id}"
