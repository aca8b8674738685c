"""The lease: a process whose heartbeat is old is silent until it has renewed it."""

import asyncio
import os
import socket
from time import monotonic

import pytest

from core.process_id import _process_id, process_id
from core.store.liveness import SILENT_SECONDS
from core.turns.lease import LEASE_SECONDS, Lease
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


def test_it_runs_out_before_others_take_over() -> None:
    assert LEASE_SECONDS < SILENT_SECONDS


def test_it_is_invalid_until_the_first_heartbeat() -> None:
    lease = Lease()
    assert not lease.valid
    lease.renew(monotonic())
    assert lease.valid


def test_it_counts_from_before_the_heartbeat_was_sent() -> None:
    """A heartbeat that took long is as old as its question."""
    lease = Lease()
    lease.renew(monotonic() - LEASE_SECONDS)
    assert not lease.valid


async def test_who_waits_goes_on_with_the_next_valid_heartbeat() -> None:
    lease = Lease()
    waiting = asyncio.create_task(lease.wait_valid())
    lease.renew(monotonic() - LEASE_SECONDS)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    lease.renew(monotonic())
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)


def test_process_ids_are_unique_and_fit_the_store() -> None:
    one, later = process_id("worker"), _process_id("worker", os.getpid() + 1)
    assert one == process_id("worker") != later
    assert len(one) <= 128
    assert one.startswith(f"worker-{socket.gethostname()}-{os.getpid()}-"[:128])
