"""A provider that plays what a test says, and runs with it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from core.model.events import Done, Usage
from core.model.feed import Feed
from core.model.parts import Part
from core.providers.base import Finish, GeneratedStream, Provider, Request, Stream, Told
from core.providers.catalogue.catalogue import Catalogue, Route
from core.providers.catalogue.circuit import Circuit
from core.providers.catalogue.models import Model
from core.settings import Settings
from core.store.store import Store
from core.store.turns.records import Turn
from core.tools.toolbox import Toolbox
from core.turns.run import Run
from core.turns.services import RunServices
from core.turns.subscribers import TurnSubscribers
from core.turns.ticks import TickScheduler
from core.version import FORMAT

OWNER = "worker-here-1-a"
Item = Part | Finish | Exception
FINISH = Finish("stop", Told(Usage(1, 2)))


class _ScriptedStream(GeneratedStream):
    def __init__(self, items: AsyncGenerator[list[Part] | Finish], told: Told) -> None:
        super().__init__(items)
        self._told = told

    def told(self) -> Told:
        return self._told


class Scripted:
    """Each call plays the next list; an endless stream waits after it until it is closed."""

    name = "scripted"

    def __init__(self, *scripts: list[Item], endless: bool = False, told: Told | None = None) -> None:
        """`told`: while an answer goes on."""
        self.told = told or Told()
        self.requests: list[Request] = []
        self.closed = 0
        self._scripts = list(scripts)
        self._endless = endless

    def stream(self, request: Request) -> Stream:
        return _ScriptedStream(self._items(request), self.told)

    async def _items(self, request: Request) -> AsyncGenerator[list[Part] | Finish]:
        self.requests.append(request)
        try:
            for item in self._scripts[min(len(self.requests), len(self._scripts)) - 1]:
                if isinstance(item, Exception):
                    raise item
                yield item if isinstance(item, Finish) else [item]
            if self._endless:
                await asyncio.Event().wait()
        finally:
            self.closed += 1

    def prepare(self) -> None: ...

    async def close(self) -> None: ...


class OneProvider:
    """A catalogue in which it answers for every name."""

    default_model = "scripted"

    def __init__(self, provider: Provider, **traits: Any) -> None:
        """`traits`: of all models."""
        self._provider = provider
        self._traits = traits
        self._circuit = Circuit("scripted")

    def find(self, name: str) -> Model:
        return Model(name=name, provider="demo", **self._traits)

    def route(self, name: str) -> Route:
        return Route(self.find(name), self._provider, self._circuit)

    def chain(self, name: str) -> list[Route]:
        return [self.route(name)]


def catalogue_of(provider: Provider, **traits: Any) -> Catalogue:
    return cast(Catalogue, OneProvider(provider, **traits))


def run_of(
    turn: Turn,
    store: Store,
    provider: Scripted,
    subscribers: TurnSubscribers | None = None,
    *,
    ticks: TickScheduler | None = None,
    oldest_format: int = FORMAT,
    may_restart: bool = True,
    past: Feed | None = None,
    traits: dict[str, Any] | None = None,
    toolbox: Toolbox | None = None,
    **settings: Any,
) -> Run:
    services = RunServices(
        store=store,
        catalogue=catalogue_of(provider, **(traits or {})),
        settings=Settings(**settings),
        process_id=OWNER,
        subscribers=subscribers or TurnSubscribers(),
        ticks=ticks or TickScheduler(),
        toolbox=toolbox or Toolbox(Settings(**settings)),
        oldest_format=lambda: oldest_format,
    )
    return Run(turn, services, may_restart=may_restart, past=past)


def done(attempt: int, position: int, reason: str, usage: Usage | None = None) -> Done:
    """The end of a run that `run_of` has made."""
    return Done(attempt, position, reason, usage, "m", "demo")
