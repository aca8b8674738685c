"""The pool's slots."""

from typing import cast

from workers.celery.pool import TaskPool
from workers.celery.pool_task import PoolTask


def test_jobs_that_came_again_leave_no_slot_free_and_none_less_than_that() -> None:
    """After a lost connection RabbitMQ delivers what runs here once more, and Celery takes it."""
    pool = TaskPool(1)
    for number in (1, 2):
        pool._tasks[number] = cast(PoolTask, None)
    assert pool.slots()[:2] == (2, 0)
    pool.runtime._loop.close()  # it was never started
