"""The engine's own scheduler, in this process, with what a worker would ask it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from torch import nn

from core.providers.local.engine.loading import Loaded
from core.providers.local.engine.running import scheduler_of
from core.providers.local.engine.scheduler import Scheduler
from core.providers.local.protocol import Ask, Ended, FromEngine, Options, Stop
from core.providers.local.settings import EngineSettings


class Ours:
    def __init__(
        self, scheduler: Scheduler, steps: "SimpleQueue[tuple[int, float]]", news: "SimpleQueue[FromEngine]"
    ) -> None:
        """`steps`: for how many sessions each was, and when it was done. `news`: what the scheduler tells."""
        self._scheduler = scheduler
        self._steps = steps
        self._news = news

    def measure(self, prompt: str, sessions: int, tokens: int) -> list[list[float]]:
        """When each token of each session came, from when all answer until each has as many."""
        for number in range(sessions):
            message = {"role": "user", "content": f"{number}. {prompt}"}
            self._scheduler.put(Ask(number, [message], Options(temperature=0.0, ignore_eos=True)))
        times: list[float] = []
        while len(times) < tokens:
            size, now = self._steps.get()
            if size == sessions:
                times.append(now)
        self._stop(sessions)
        return [times] * sessions

    def _stop(self, sessions: int) -> None:
        """Returns once no step of theirs is to come."""
        for number in range(sessions):
            self._scheduler.put(Stop(number))
        self._scheduler.put(Ask(sessions, [{"role": "user", "content": "."}], Options(max_tokens=1)))
        while not isinstance(self._news.get(), Ended):
            pass
        while not self._steps.empty():
            self._steps.get()


@contextmanager
def ours(loaded: Loaded, settings: EngineSettings) -> Iterator[Ours]:
    steps: SimpleQueue[tuple[int, float]] = SimpleQueue()

    def note(_: nn.Module, __: Any, given: dict[str, Any], ___: Any) -> None:
        sessions, tokens = given["input_ids"].shape
        if tokens == 1:
            steps.put((sessions, time.perf_counter()))

    loaded.model.register_forward_hook(note, with_kwargs=True)
    news: SimpleQueue[FromEngine] = SimpleQueue()

    def tell(told: list[FromEngine]) -> None:
        for each in told:
            news.put(each)

    scheduler = scheduler_of(loaded, settings, tell)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield Ours(scheduler, steps, news)
    finally:
        scheduler.close()
        thread.join()
