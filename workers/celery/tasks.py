"""The one task. A job does not give its turn to a worker: the claim in the store decides who runs it."""

from typing import Any

from celery.signals import task_revoked

from core.broker.jobs import REQUEST_ID_HEADER, STORE_HEADER, TASK_NAME, TRACE_HEADERS, Job, context_of
from core.model.keys import TurnKey
from workers.app import app
from workers.celery.pool import TaskPool


@app.task(name=TASK_NAME, bind=True)  # type: ignore[untyped-decorator]
def generate(self: Any, session_id: str, turn: int) -> None:
    context = context_of({name: self.request.get(name) for name in (REQUEST_ID_HEADER, *TRACE_HEADERS)})
    TaskPool.running().current_task.run(Job(TurnKey(session_id, turn), context, self.request.get(STORE_HEADER) or ""))


@task_revoked.connect  # type: ignore[untyped-decorator]
def _cancel_revoked(request: Any, terminated: bool, **_: Any) -> None:
    """A job that was revoked before it ran: its turn ends as cancelled. A running one is stopped by the pool."""
    if not terminated and request.task == TASK_NAME:
        pool = TaskPool.running()
        pool.runtime.submit(pool.runtime.turns.cancel(TurnKey(*request.args)))
