"""A broker that agrees to small frames only: AMQP lets it go down to 4096 bytes (AMQP 0-9-1, 1.4.2.6).

RabbitMQ from 4.1 on goes down to 8192, and refuses all connections below that.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.faults.broker import Broker, Node
from tests.faults.test_faults import RABBITMQCTL
from tests.parts import require
from tests.stack import BROKER, Stack

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

TOKENS, RATE = 6000, 3000
"""48 KB in two seconds, so that log and viewers get snapshots and batches of many frames."""


class SmallFrames(NamedTuple):
    broker: Broker
    frame_max: int
    """The least that it allows."""


@pytest.fixture
def small_frames() -> Iterator[SmallFrames]:
    require(RABBITMQCTL, "no RabbitMQ that may be broken: HOPSTREAM_TEST_RABBITMQCTL is not set")
    with Broker([Node(BROKER, RABBITMQCTL)]) as broker:
        before = broker.ctl("eval", "{ok, Max} = application:get_env(rabbit, frame_max), Max.").strip()
        small_frames = SmallFrames(broker, 8192 if broker.version >= (4, 1) else 4096)
        _set_frame_max(broker, small_frames.frame_max)
        try:
            yield small_frames
        finally:
            _set_frame_max(broker, int(before))


async def test_long_answers_are_streamed_whole(small_frames: SmallFrames, tmp_path: Path) -> None:
    with Stack(tmp_path, small_frames.broker.urls[0]) as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        async with Client(api.url) as client:
            session = new_session()
            accepted = await client.ask(session_id=session, model=f"mock?tokens={TOKENS}&rate={RATE}")
            assert accepted.status_code == 202
            async with client.stream(session) as first:
                await first.read_chars(4 * small_frames.frame_max)
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
