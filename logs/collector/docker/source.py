"""All chosen containers of one engine: those that are there, and those that start."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import time

import structlog

from core.background import Background
from logs.collector.docker.engine import Engine, EngineError, NotFound
from logs.collector.docker.events import Event, events_in, line_about
from logs.collector.docker.following import Follow
from logs.collector.docker.own import own_container, selection_of
from logs.collector.docker.selection import Container, Selection, listed
from logs.collector.intake import Intake
from logs.collector.resuming import NANOSECONDS, Resuming, since_of
from logs.collector.sender import Sender
from logs.records.joining import Line

log = structlog.get_logger()

RECONNECT_SECONDS = (0.2, 5.0)
"""Pause after the engine went away, and the longest; each is twice the one before."""
_LISTED_ANEW_SECONDS = 60.0
"""An engine may forget to tell of a container; each is looked for so often."""


class DockerSource:
    """`run` is a task. Raises CannotCollect."""

    name = "docker"

    def __init__(
        self,
        engine: Engine,
        sender: Sender,
        places: Mapping[str, str],
        *,
        chosen: list[str],
        hours: float,
        lines_per_second: float,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._places = places
        self._chosen = chosen
        self._first_ns = int((time() - hours * 3600) * NANOSECONDS)
        """What is older is not read of containers that nobody has read yet, whenever they turn up."""
        self._lines_per_second = lines_per_second
        self._background = Background()
        self._follows: dict[str, Follow] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[Intake, Resuming]] = {}
        """By container: where what the engine says of it goes."""
        self._events_from = self._first_ns
        self.problem: str | None = "has not connected yet"
        """Why nothing comes at the moment."""

    async def run(self) -> None:
        pause, longest = RECONNECT_SECONDS
        is_told = False
        try:
            while True:
                why: object = "its events have ended"
                try:
                    await self._watch()
                except (*EngineError, NotFound) as error:
                    why = error
                was_there = self.problem is None
                self.problem = f"the Docker engine is away: {why!r}"[:300]
                if was_there or not is_told:
                    log.warning("the Docker engine is away", action="docker.away", error=repr(why)[:200])
                is_told = True
                pause = RECONNECT_SECONDS[0] if was_there else min(2 * pause, longest)
                await asyncio.sleep(pause)
        finally:
            await self._background.stop()
            await self._engine.close()

    async def _watch(self) -> None:
        """Until the engine's events end. Raises EngineError and CannotCollect."""
        await self._engine.open()
        selection = selection_of(self._chosen, await own_container(self._engine))
        for _, resuming in self._told.values():
            resuming.begin()
        async with self._engine.events(since=since_of(self._events_from)) as response:
            await self._follow_all(selection)
            if self.problem is not None:
                log.info("follows a Docker engine", action="docker.follow", containers=len(self._follows))
            self.problem = None
            lister = self._background.run("docker list", self._list_again(selection))
            try:
                async for event in events_in(response):
                    self._on_event(event, selection)
                    await self._sender.room()
            finally:
                lister.cancel()

    async def _list_again(self, selection: Selection) -> None:
        while True:
            await asyncio.sleep(_LISTED_ANEW_SECONDS)
            with suppress(*EngineError, NotFound):  # then the events end, too
                await self._follow_all(selection)

    async def _follow_all(self, selection: Selection) -> None:
        """Those that have ended may have said something that nobody has read."""
        items = await self._engine.containers()
        for item in items:
            container = listed(item)
            is_over = str(item.get("State", "")) in ("exited", "dead")
            if str(item.get("State", "")) == "created" or not selection.follows(container):
                continue
            if not is_over or container.id not in self._follows or self.problem is not None:
                self._follow(container)
        there = {str(item.get("Id")) for item in items}
        for gone in [name for name in self._follows if name not in there and name not in self._tasks]:
            self._forget(gone)

    def _follow(self, container: Container) -> None:
        follow = self._follows.get(container.id)
        if follow is None:
            follow = self._follows[container.id] = Follow(
                self._engine,
                self._sender,
                container,
                self._places,
                first_ns=self._first_ns,
                lines_per_second=self._lines_per_second,
            )
        follow.starts_again = True
        if container.id not in self._tasks:
            task = self._background.run(f"docker {container.name}", follow.run())
            self._tasks[container.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(container.id, None))

    def _on_event(self, event: Event, selection: Selection) -> None:
        self._events_from = max(self._events_from, event.ns)
        if not selection.follows(event.container):
            return
        if event.action == "start":
            self._follow(event.container)
        elif event.action == "destroy" and event.container.id not in self._tasks:
            self._forget(event.container.id)
        if (about := line_about(event)) is None:
            return
        intake, resuming = self._intake_for(event.container)
        if resuming.is_new(event.ns):
            text, level, fields = about
            line = Line(text, time(), event.ns / NANOSECONDS, place=resuming.place)
            intake.say(text, level, line, **fields)

    def _intake_for(self, container: Container) -> tuple[Intake, Resuming]:
        if container.id not in self._told:
            source = f"docker:{container.id}:events"
            intake = Intake(self._sender, source, container.service, {"container": container.name})
            self._told[container.id] = (intake, Resuming(self._places.get(source)))
        return self._told[container.id]

    def _forget(self, container: str) -> None:
        self._follows.pop(container, None)
        self._told.pop(container, None)
