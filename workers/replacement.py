"""Replacement: a stuck worker becomes a new one, in place, whether or not anybody supervises it."""

import asyncio
import os
import sys
from contextlib import suppress
from typing import NoReturn

import structlog

from core.turns.keeper import Keeper
from core.turns.run import Stop
from workers.liveness import ConsumptionCheck

log = structlog.get_logger()

HAND_OVER_SECONDS = 5.0
"""What a worker needs to give its turns away."""
CHECK_SECONDS = 0.2


async def replace_when_stuck(liveness: ConsumptionCheck, keeper: Keeper, grace_seconds: float) -> NoReturn:
    """Wait until this worker is stuck; let its turns end or hand them over, and start the same command afresh."""
    while True:
        await liveness.until_stuck()
        log.critical("takes no jobs though jobs wait; replaced", action="worker.stuck", waiting=liveness.waiting)
        if await _drain(liveness, keeper, grace_seconds):
            break
        log.warning("takes jobs again", action="worker.unstuck")
    await keeper.leave()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line


async def _drain(liveness: ConsumptionCheck, keeper: Keeper, grace_seconds: float) -> bool:
    """False as soon as jobs are taken again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(grace_seconds):
            while keeper.runs and liveness.stuck:
                await asyncio.sleep(CHECK_SECONDS)
                await liveness.check()
    if not liveness.stuck:
        return False
    for run in list(keeper.runs.values()):
        run.stop(Stop.HANDED_OVER)
    with suppress(TimeoutError):
        async with asyncio.timeout(HAND_OVER_SECONDS):
            while keeper.runs:  # noqa: ASYNC110 - a dictionary has no event to wait for
                await asyncio.sleep(CHECK_SECONDS)
    return True
