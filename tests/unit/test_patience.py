"""What is promised in seconds is measured beside the machine: a slow machine is no broken promise, and no excuse."""

from time import monotonic, sleep

import anyio
import anyio.lowlevel
import pytest

from tests import patience
from tests.patience import Slowness, promised, without_lag

pytestmark = pytest.mark.anyio


class Idle(Slowness):
    factor = 1.0


@pytest.fixture
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "Slowness", Idle)


@pytest.mark.usefixtures("_idle_machine")
async def test_what_takes_longer_than_promised_fails() -> None:
    with pytest.raises(AssertionError, match=r"more than 0\.05 s"), promised(0.05):
        await anyio.sleep(0.1)


async def test_a_machine_that_is_slow_has_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(Slowness):
        factor = 1e6

    monkeypatch.setattr(patience, "Slowness", Busy)
    with promised(0.001):
        await anyio.sleep(0.01)


async def test_what_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(TimeoutError), promised(60):
        await anyio.sleep_forever()


def test_slowness_is_never_less_than_that_of_an_idle_machine() -> None:
    began = monotonic()
    with Slowness() as slowness:
        sleep(0.05)
    assert slowness.factor >= 1
    assert slowness.factor * 0.05 < 100 * (monotonic() - began)


async def test_what_fails_on_a_machine_with_time_fails() -> None:
    tries = 0

    async def fail() -> None:
        nonlocal tries
        tries += 1
        raise AssertionError("too late")

    with pytest.raises(AssertionError, match="too late"):
        await without_lag(60, fail)
    assert tries == 1


async def test_what_failed_while_the_loop_was_kept_from_its_work_is_tried_again() -> None:
    tries = 0

    async def fail_once() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await anyio.lowlevel.checkpoint()
            sleep(0.2)  # noqa: ASYNC251 - keeps the loop from its work
            raise AssertionError("too late")

    await without_lag(0.1, fail_once)
    assert tries == 2
