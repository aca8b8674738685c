"""A broker that agrees to small frames only: AMQP lets it go down to 4096 bytes (AMQP 0-9-1, 1.4.2.6)."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.faults.broker import Broker, Node
from tests.faults.test_faults import RABBITMQCTL
from tests.parts import require
from tests.stack import BROKER, Stack

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

FRAME_MAX = 4096
TOKENS, RATE = 6000, 3000
"""48 KB in two seconds, so that log and viewers get snapshots and batches of many frames."""


@pytest.fixture
def broker() -> Iterator[Broker]:
    require(RABBITMQCTL, "no RabbitMQ that may be broken: HOPSTREAM_TEST_RABBITMQCTL is not set")
    with Broker([Node(BROKER, RABBITMQCTL)]) as broker:
        before = broker.ctl("eval", "{ok, Max} = application:get_env(rabbit, frame_max), Max.").strip()
        _set_frame_max(broker, FRAME_MAX)
        try:
            yield broker
        finally:
            _set_frame_max(broker, int(before))


async def test_long_answers_are_streamed_whole(broker: Broker, tmp_path: Path) -> None:
    with Stack(tmp_path, broker.urls[0]) as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        async with Client(api.url) as client:
            session = new_session()
            accepted = await client.ask(session_id=session, model=f"mock?tokens={TOKENS}&rate={RATE}")
            assert accepted.status_code == 202
            async with client.stream(session) as first:
                await first.read_chars(4 * FRAME_MAX)
                joined_late = await client.read(session)
                assert text_of(await first.rest()) == text_of(joined_late) == numbered(TOKENS)
        assert "publish.failed" not in worker.output()
        assert "broker.lost" not in worker.output() + api.output()


def _set_frame_max(broker: Broker, size: int) -> None:
    """For connections from now on."""
    try:
        broker.ctl("eval", f"application:set_env(rabbit, frame_max, {size}).")
    except subprocess.CalledProcessError as error:
        raise AssertionError(error.stderr) from error
