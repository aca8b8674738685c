"""What all runs of a process share."""

from collections.abc import Callable

import msgspec

from core.providers.catalogue.catalogue import Catalogue
from core.settings import Settings
from core.store.store import Store
from core.tools.toolbox import Toolbox
from core.turns.subscribers import TurnSubscribers
from core.turns.ticks import TickScheduler
from core.version import FORMAT


class RunServices(msgspec.Struct, frozen=True):
    store: Store
    catalogue: Catalogue
    settings: Settings
    process_id: str
    subscribers: TurnSubscribers
    ticks: TickScheduler
    toolbox: Toolbox
    oldest_format: Callable[[], int] = lambda: FORMAT
    """What all living processes can read; see `core.turns.attempts.compatibility`."""
