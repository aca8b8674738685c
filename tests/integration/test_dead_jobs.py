"""Jobs that the queue's delivery limit threw out: a turn that is really lost ends with an error, any other is left."""

import aio_pika
import anyio
import pytest

from core.broker.topology import DEAD_JOBS, DELIVERY_LIMIT, JOBS
from tests.client import POLL_SECONDS, Client, new_session, numbered
from tests.integration.conftest import Arena, StartWorkers, eventually
from tests.patience import PATIENCE_SECONDS
from tests.stack import BROKER

pytestmark = pytest.mark.anyio


async def test_a_job_that_is_never_finished_ends_its_turn(
    arena: Arena, viewer: Client, start_workers: StartWorkers
) -> None:
    async with await aio_pika.connect(BROKER) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(f"{arena.stack.prefix}{JOBS}", ensure=False)).purge()  # a copy nobody needed
        await viewer.ask(session_id=(session := new_session()), model="mock?tokens=5")
        for _ in range(DELIVERY_LIMIT + 1):  # taken, and never acknowledged: so it goes with a job that kills
            channel = await connection.channel()
            await _take(await channel.get_queue(f"{arena.stack.prefix}{JOBS}", ensure=False))
            await channel.close()
    async with viewer.stream(session) as stream:
        await stream.read_until("queued")
        start_workers(1)
        events = await stream.rest()
    assert events[-1].data["code"] == "job_dead"
    turn = await viewer.turn(session)
    assert (turn["status"], turn["error"]["code"], turn["text"]) == ("error", "job_dead", "")


async def test_other_turns_are_left_alone(arena: Arena, viewer: Client, start_workers: StartWorkers) -> None:
    """A finished one, one whose owner lives, one that is no more; and what is no job is logged."""
    (worker,) = start_workers(1)
    finished, running, gone = new_session(), new_session(), new_session()
    await viewer.ask(session_id=finished, model="mock?tokens=5")
    await viewer.until(finished, "done")
    await viewer.ask(session_id=running, model=f"mock?tokens=40&rate=40&hold_after=20&id={running}")
    await viewer.until(running, "running")
    bodies = [
        f'[["{finished}",1],{{}},null]',
        f'[["{running}",1],{{}},null]',
        f'[["{gone}",7],{{}},null]',
        "nonsense",
        '[["secret text"]]',
    ]
    async with await aio_pika.connect(BROKER) as connection:
        channel = await connection.channel()
        for body in bodies:
            await channel.default_exchange.publish(
                aio_pika.Message(body.encode()), routing_key=f"{arena.stack.prefix}{DEAD_JOBS}"
            )

    def seen() -> list[int]:
        """How often each of these was, and not another test's."""
        lines = [line for line in worker.output().splitlines() if "dead job" in line]
        return [sum(word in line for line in lines) for word in (finished, running, gone, "not read")]

    await eventually(lambda: seen() == [1, 1, 1, 2])
    assert "secret text" not in worker.output()
    arena.stack.release(running)
    assert (await viewer.until(running, "done"))["text"] == numbered(40)
    assert (await viewer.turn(finished))["status"] == "done"


async def _take(queue: aio_pika.abc.AbstractQueue) -> None:
    """A message, which may be on its way back from a channel that was closed."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while await queue.get(fail=False) is None:  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)
