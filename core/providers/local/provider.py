"""The local provider: models that answer on this machine, each in an engine's process of its own."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Self

import msgspec
import structlog

from core.extras import missing_extra
from core.model.model_states import EngineState
from core.providers.base import Access, Request, Stream
from core.providers.local.answer import LocalAnswer
from core.providers.local.connection import EngineConnection
from core.providers.local.process import NoEngine, connect
from core.providers.local.request import ask_of
from core.providers.local.settings import EngineSettings
from core.settings import Settings
from core.version import VERSION

log = structlog.get_logger()


class LocalProvider:
    name = "local"

    def __init__(self, usual: EngineSettings) -> None:
        """`usual`: of the model that questions name; another one has an engine of its own with the same settings."""
        self._usual = usual
        self._usual_name = name_of(usual.model)
        self._engines: dict[str, EngineConnection] = {}
        self._connecting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed: set[str] = set()
        """Models whose engine did not start."""
        self._loading: asyncio.Task[None] | None = None

    @classmethod
    def access(cls, settings: Settings) -> Access | None:
        return Access() if settings.local_model else None

    @classmethod
    def default_models(cls, settings: Settings) -> tuple[str, ...]:
        return (name_of(settings.local_model),) if settings.local_model else ()

    @classmethod
    def create(cls, _: Access, settings: Settings) -> Self:
        return cls(
            EngineSettings(
                model=settings.local_model or "",
                folder=str(settings.local_dir.absolute()),
                version=VERSION,
                dtype=settings.local_dtype,
                device=settings.local_device,
                context=settings.local_context,
                mode=settings.local_cache,
                sinks=settings.local_sinks,
                answers=settings.local_answers,
                kept=settings.local_kept,
                threads=settings.local_threads,
            )
        )

    def prepare(self) -> None: ...

    def load(self) -> None:
        if self._usual.model and self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="load the local model")

    def stream(self, request: Request) -> Stream:
        """Raises UnsupportedOption."""
        return LocalAnswer(ask_of(request), lambda: self._engine(request.model))

    def state(self, model: str) -> EngineState | None:
        engine = self._engines.get(model)
        if engine is None:
            return "failed" if model in self._failed else "loading" if self._connecting[model].locked() else None
        if engine.is_open or engine.state.state == "failed":
            return engine.state.state
        return "stopped"

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        engines = list(self._engines.values())
        self._engines.clear()
        await asyncio.gather(*(engine.close() for engine in engines))

    async def _engine(self, model: str) -> EngineConnection:
        """Raises NoEngine."""
        if missing := missing_extra("local", "LOCAL_MODEL"):
            raise NoEngine(missing)
        async with self._connecting[model]:
            engine = self._engines.get(model)
            if engine is None or not engine.is_open or engine.state.state == "failed":
                place = self._usual.model if model == self._usual_name else model
                settings = msgspec.structs.replace(self._usual, model=_absolute(place))
                try:
                    engine = self._engines[model] = await connect(settings)
                except NoEngine:
                    self._engines.pop(model, None)
                    self._failed.add(model)
                    raise
                self._failed.discard(model)
            return engine

    async def _load(self) -> None:
        try:
            await self._engine(self._usual_name)
        except NoEngine as error:
            log.error("the engine does not start", action="local.no_engine", error=str(error))


def name_of(model: str) -> str:
    """What a model is called whose place is this."""
    name = model.rstrip("/").rpartition("/")[2]
    return name.removesuffix(".gguf")


def _absolute(place: str) -> str:
    """Names of the hub, `owner/name`, stay as they are where there is no such folder."""
    is_path = Path(place).exists() or place.startswith((".", "/")) or place.endswith(".gguf")
    return str(Path(place).absolute()) if is_path else place
