"""An engine from its settings to its end."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from core.providers.local.engine.building import Size, with_cache
from core.providers.local.engine.loading import Loaded, load
from core.providers.local.engine.prompts import Prompts
from core.providers.local.engine.questions import Defaults, Questions
from core.providers.local.engine.scheduler import Limits, Scheduler
from core.providers.local.engine.server import Server
from core.providers.local.protocol import FromEngine
from core.providers.local.settings import EngineSettings

NICENESS = 5
"""What carries tokens comes before what makes them."""


Tell = Callable[[list[FromEngine]], None]


def new_scheduler(settings: EngineSettings, tell: Tell) -> Scheduler:
    """Loads the model. Raises Unsupported, OSError."""
    return scheduler_of(load(settings.model, settings.dtype, settings.device, Path(settings.folder)), settings, tell)


def scheduler_of(loaded: Loaded, settings: EngineSettings, tell: Tell) -> Scheduler:
    """The model is its own from now on. Raises Unsupported."""
    limits = Limits(settings.answers, settings.kept, settings.piece)
    prompts = Prompts(loaded.tokenizer)
    sampling = loaded.model.generation_config
    defaults = Defaults(
        settings.context,
        settings.mode,
        settings.sinks,
        sampling.temperature if sampling.temperature is not None else 1.0,
        sampling.top_p if sampling.top_p is not None else 1.0,
        sampling.top_k or 0,
    )
    model = with_cache(loaded.model, Size(limits.rows, settings.context))
    tokenizer = loaded.tokenizer.backend_tokenizer
    return Scheduler(model, Questions(prompts, defaults), tokenizer, loaded.ends, limits, tell)


async def serve(socket: Path, settings: EngineSettings) -> None:
    """Raises Unsupported, OSError, ValueError: the model cannot be loaded."""
    os.nice(NICENESS)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # it is a log that they would be in
    if settings.threads:
        torch.set_num_threads(settings.threads)
    server = Server(socket, settings.model, lambda tell: new_scheduler(settings, tell))
    await server.serve(settings.idle_seconds)
