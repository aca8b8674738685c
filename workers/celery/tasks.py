"""The one task. A job does not give its turn to a worker: the claim in the store decides who runs it."""

from concurrent.futures import Future
from typing import Any

import structlog
from celery.signals import task_revoked

from core.broker.jobs import OWN_HEADERS, TASK_NAME, job_of
from core.model.keys import TurnKey
from workers.app import app
from workers.celery.pool import TaskPool

log = structlog.get_logger()


@app.task(name=TASK_NAME, bind=True)  # type: ignore[untyped-decorator]
def generate(self: Any, session_id: str, turn: int) -> None:
    headers = {name: self.request.get(name) for name in OWN_HEADERS}
    TaskPool.running().current_task.run(job_of(TurnKey(session_id, turn), headers))


@task_revoked.connect  # type: ignore[untyped-decorator]
def _cancel_revoked(request: Any, terminated: bool, **_: Any) -> None:
    """A job that was revoked before it ran: its turn ends as cancelled. A running one is stopped by the pool."""
    if not terminated and request.task == TASK_NAME:
        pool = TaskPool.running()
        cancelling = pool.runtime.submit(pool.runtime.turns.cancel(TurnKey(*request.args)))
        cancelling.add_done_callback(_log_failure)


def _log_failure(cancelling: Future[None]) -> None:
    if not cancelling.cancelled() and (error := cancelling.exception()) is not None:
        log.error("turn not cancelled", action="task.not_cancelled", exc_info=error)
