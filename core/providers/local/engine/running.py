"""An engine from its settings to its end."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import GenerationConfig
from transformers.utils.logging import disable_progress_bar

from core.providers.local.engine.building import Size, with_cache
from core.providers.local.engine.loading import Loaded, load
from core.providers.local.engine.prompts import Prompts
from core.providers.local.engine.questions import Defaults, Questions
from core.providers.local.engine.sampling import Sampling
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
    defaults = Defaults(settings.context, settings.mode, settings.sinks, usual_sampling(loaded.model.generation_config))
    model = with_cache(loaded.model, Size(limits.rows, settings.context))
    tokenizer = loaded.tokenizer.backend_tokenizer
    return Scheduler(model, Questions(prompts, defaults), tokenizer, loaded.ends | prompts.ends, limits, tell)


def usual_sampling(told: GenerationConfig) -> Sampling:
    """What a model's makers have told; else llama.cpp's, because small models are no good at temperature 1."""
    if told.temperature is None and told.top_p is None and told.top_k is None:
        return Sampling(temperature=0.8, top_p=0.95, top_k=40)
    return Sampling(
        temperature=told.temperature if told.temperature is not None else 1.0,
        top_p=told.top_p if told.top_p is not None else 1.0,
        top_k=told.top_k or 0,
    )


async def serve(socket: Path, settings: EngineSettings) -> None:
    """Raises Unsupported, OSError, ValueError: the model cannot be loaded."""
    os.nice(NICENESS)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # it is a log that they would be in
    if settings.threads:
        torch.set_num_threads(settings.threads)
    server = Server(socket, settings.model, lambda tell: new_scheduler(settings, tell))
    await server.serve(settings.idle_seconds)
