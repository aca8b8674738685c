"""Jobs: Celery messages that tell the workers of a turn to run. What they carry is its key; the store has the rest."""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from pamqp.commands import Basic

from core.broker.connection import BrokerConnection, broker_down
from core.broker.topology import jobs_of
from core.model.context import RequestContext
from core.model.errors import HopstreamError
from core.model.keys import TurnKey

TASK_NAME = "hopstream.generate"
PUBLISH_SECONDS = 3.0
"""A broker that does not confirm a job for this long (it has a memory or disk alarm, say) counts as down."""
REQUEST_ID_HEADER = "request_id"
STORE_HEADER = "store_id"
SILENT_HEADER = "silent_beat"
TRACE_HEADERS = ("traceparent", "tracestate")
"""W3C Trace Context, under the names that OpenTelemetry's instrumentation of Celery reads as well."""
OWN_HEADERS = (REQUEST_ID_HEADER, STORE_HEADER, SILENT_HEADER, *TRACE_HEADERS)


class Job(NamedTuple):
    key: TurnKey
    context: RequestContext = RequestContext()
    """Of the request that asked for the turn, whoever queues it again."""
    store_id: str = ""
    """Of the database that holds the turn. Empty: not told, as by an older release."""
    silent_beat: int = 0
    """Who queued it again has seen that processes without a later heartbeat are silent (`core.store.liveness`): a
    worker that has not looked on for long enough would take the turn's owner for alive. 0: not seen."""
    queue: str | None = None
    """That it is sent to; None: the default one."""


class _Template(NamedTuple):
    """Celery's message, of which only this differs from turn to turn: id, root_id, argsrepr, the request's headers, and
    the arguments in the body."""

    headers: dict[str, Any]
    kwargs: dict[str, Any]
    embed: dict[str, Any]


@cache
def job_template() -> _Template:
    """Made at the first call, which imports Celery: a process that starts need not wait for that."""
    from celery import Celery

    app = Celery("hopstream", set_as_current=False)
    message = app.amqp.as_task_v2("", TASK_NAME, ignore_result=True, origin="hopstream")
    _, kwargs, embed = message.body
    return _Template({name: value for name, value in message.headers.items() if value is not None}, kwargs, embed)


def task_id(key: TurnKey) -> str:
    """Named after its turn, so that `celery control revoke <session>.<turn>` needs no look-up."""
    return str(key)


def publish_job(connection: BrokerConnection, job: Job) -> Awaitable[None]:
    """Sends it at once; what is returned waits for the confirm. Both raise BrokerDown."""
    own_id = task_id(job.key)
    template = job_template()
    properties = Basic.Properties(
        content_type="application/json",
        content_encoding="utf-8",
        headers={
            **template.headers,
            "id": own_id,
            "root_id": own_id,
            "argsrepr": repr(tuple(job.key)),
            REQUEST_ID_HEADER: job.context.request_id,
            STORE_HEADER: job.store_id,
            SILENT_HEADER: job.silent_beat,
            **job.context.trace,
        },
        delivery_mode=2,
        correlation_id=own_id,
    )
    body = msgspec.json.encode((job.key, template.kwargs, template.embed))
    channel = connection.message_channel()
    return _confirm(channel.publish(body, "", jobs_of(job.queue), properties=properties.marshal(), mandatory=True))


def job_of(key: TurnKey, headers: Mapping[str, Any]) -> Job:
    """By what its message headers tell; those of an older release tell less."""
    store_id, silent_beat = headers.get(STORE_HEADER), headers.get(SILENT_HEADER)
    return Job(
        key,
        context_of(headers),
        store_id if isinstance(store_id, str) else "",
        silent_beat if isinstance(silent_beat, int) else 0,
    )


def context_of(headers: Mapping[str, Any]) -> RequestContext:
    """What a job's message headers tell of its request; a job of an older release tells nothing."""
    request_id = headers.get(REQUEST_ID_HEADER)
    trace = {name: value for name in TRACE_HEADERS if isinstance(value := headers.get(name), str)}
    return RequestContext(request_id if isinstance(request_id, str) else "", trace)


class BadJob(HopstreamError):
    """A message in a job queue that is no job of ours."""


def read_job(body: bytes) -> TurnKey:
    """The turn of a job: the first of Celery's `[args, kwargs, embed]`. Raises BadJob."""
    try:
        key, *_ = msgspec.json.decode(body, type=tuple[tuple[str, int], object, object])
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadJob(str(error)) from error
    return TurnKey(*key)


async def _confirm(published: asyncio.Future[None]) -> None:
    try:
        await asyncio.wait([published], timeout=PUBLISH_SECONDS)
        for _ in range(2):  # an event loop that was kept from its work looks at its timers before it reads
            if not published.done():
                await asyncio.sleep(0)
        if not published.done():
            raise broker_down()
        published.result()
    except ConnectionError as error:
        raise broker_down() from error
    finally:
        published.cancel()
