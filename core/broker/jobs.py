"""Jobs: a nudge to the workers to look at a turn. A Celery message, built without I/O and published with aio-pika."""

import msgspec
from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError
from celery import Celery
from kombu.serialization import dumps
from pamqp.commands import Basic

from core.broker.link import broker_down
from core.broker.topology import JOBS
from core.errors import HopstreamError
from core.keys import TurnKey

TASK_NAME = "hopstream.generate"
PUBLISH_SECONDS = 3.0
"""A broker that holds a job back this long (a memory or disk alarm) is as good as down for the client who waits."""

# Only the format of its messages is used; the workers' app is `workers.app`.
_messages = Celery("hopstream", set_as_current=False).amqp


def task_id(key: TurnKey) -> str:
    """Named after its turn, so that `celery control revoke <session>.<turn>` needs no look-up."""
    return str(key)


async def publish_job(channel: AbstractChannel, key: TurnKey) -> None:
    """Confirmed and mandatory. Raises BrokerDown."""
    message = _messages.as_task_v2(
        task_id(key), TASK_NAME, args=(key.session_id, key.turn), ignore_result=True, origin="hopstream"
    )
    content_type, content_encoding, body = dumps(message.body, serializer="json")
    properties = Basic.Properties(
        content_type=content_type,
        content_encoding=content_encoding,
        headers={name: value for name, value in message.headers.items() if value is not None},
        delivery_mode=2,
        correlation_id=message.properties["correlation_id"],
    )
    try:
        await channel.basic_publish(
            body.encode(), routing_key=JOBS, properties=properties, mandatory=True, timeout=PUBLISH_SECONDS
        )
    except DeliveryError as error:
        raise broker_down() from error


class BadJob(HopstreamError):
    """A message in a job queue that is no job of ours."""


def read_job(body: bytes) -> TurnKey:
    """The turn of a job: the first of Celery's `[args, kwargs, embed]`. Raises BadJob."""
    try:
        key, *_ = msgspec.json.decode(body, type=tuple[tuple[str, int], object, object])
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadJob(str(error)) from error
    return TurnKey(*key)
