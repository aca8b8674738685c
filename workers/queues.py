"""Whose jobs a worker takes."""

from core.extras import require_extra
from core.providers.catalogue.models import ENGINE_QUEUE, names_engine
from core.settings import Settings


def served_queues(settings: Settings) -> list[str | None]:
    """By WORKER_QUEUES; else the default one, and that of the local engine where the settings have one. None: the
    default one. Raises SystemExit where the local engine is not installed."""
    queues = _queues(settings)
    if ENGINE_QUEUE in queues:
        require_extra("local", "LOCAL_MODEL, which WORKER_QUEUES=default leaves to other workers")
    return queues


def _queues(settings: Settings) -> list[str | None]:
    if settings.worker_queues:
        return [None if queue == "default" else queue for queue in settings.worker_queues]
    has_engine = settings.local_model is not None or (
        settings.models_file is not None and names_engine(settings.models_file)
    )
    return [None, ENGINE_QUEUE] if has_engine else [None]
