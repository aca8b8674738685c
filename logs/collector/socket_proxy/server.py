"""Stands before the Docker socket, which is as good as root: whoever reaches this one can read logs, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import structlog
from aiohttp import web

from logs.collector.docker.engine import EVENTS, STREAM, Engine, EngineError, NotFound
from logs.collector.docker.own import own_container, selection_of
from logs.collector.docker.selection import Container, Selection, inspected, listed, of_event
from logs.collector.socket_proxy import answers
from logs.collector.socket_proxy.requests import Request, parse
from logs.collector.source import CannotCollect
from logs.records.joining import Splitter

log = structlog.get_logger()

MOST_REQUESTS = 2000
"""At the same time; a collector has one for each container."""
_OPEN = aiohttp.ClientTimeout(total=None, sock_connect=STREAM.sock_connect, sock_read=None)
"""Streams are never cut off for being silent."""


class SocketProxy:
    """`open`, then `app` serves."""

    def __init__(self, engine: Engine, chosen: list[str]) -> None:
        self._engine = engine
        self._chosen = chosen
        self._selection: Selection | None = None
        self._opening = asyncio.Lock()
        self._requests = 0
        self.app = web.Application(client_max_size=1024)
        self.app.router.add_route("*", "/{any:.*}", self._answer)
        self._kinds: dict[str, Callable[[web.Request, Request, Selection], Awaitable[web.StreamResponse]]] = {
            "ping": self._ping,
            "version": self._version,
            "list": self._list,
            "inspect": self._inspect,
            "logs": self._logs,
            "events": self._events,
        }

    async def open(self) -> Selection:
        """Raises EngineError and CannotCollect."""
        async with self._opening:
            if self._selection is None:
                await self._engine.open()
                self._selection = selection_of(self._chosen, await own_container(self._engine))
            return self._selection

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        request = parse(http.method, http.raw_path)
        if request is None:
            log.warning("refused", action="socket_proxy.refused", method=http.method, path=http.raw_path[:200])
            return _problem(403, "not allowed")
        if self._requests >= MOST_REQUESTS:
            return _problem(503, "too many requests at the same time")
        self._requests += 1
        try:
            return await self._kinds[request.kind](http, request, await self.open())
        except NotFound:
            return _problem(404, f"No such container: {request.container}")
        except CannotCollect as error:
            log.error("cannot tell what to show", action="socket_proxy.unset", error=str(error))
            return _problem(503, "not set up")
        except EngineError as error:
            log.warning("the Docker engine is away", action="socket_proxy.away", error=repr(error)[:200])
            return _problem(502, "the Docker engine is away")
        finally:
            self._requests -= 1

    async def _ping(self, _: web.Request, __: Request, ___: Selection) -> web.Response:
        await self._engine.get("/version")
        return web.Response(text="OK")

    async def _version(self, _: web.Request, __: Request, ___: Selection) -> web.Response:
        return web.json_response(answers.version(await self._engine.get("/version")))

    async def _list(self, _: web.Request, request: Request, selection: Selection) -> web.Response:
        items = await self._engine.get("/containers/json", **request.query)
        return web.json_response(
            [answers.item(item, selection.labels_read) for item in items if selection.includes(listed(item))]
        )

    async def _inspect(self, _: web.Request, request: Request, selection: Selection) -> web.Response:
        values = await self._engine.inspect(request.container)
        if not selection.includes(inspected(values)):
            raise NotFound
        return web.json_response(answers.details(values, selection.labels_read))

    async def _logs(self, http: web.Request, request: Request, selection: Selection) -> web.StreamResponse:
        container = inspected(await self._engine.inspect(request.container))
        if not selection.follows(container):
            raise NotFound
        async with self._engine.request(f"/containers/{container.id}/logs", request.query, _OPEN) as answer:
            response = web.StreamResponse(headers={"Content-Type": answer.headers.get("Content-Type", "")})
            async with _sending(response, http):
                async for data in answer.content.iter_any():
                    await response.write(data)
        return response

    async def _events(self, http: web.Request, request: Request, selection: Selection) -> web.StreamResponse:
        query = request.query | {"filters": '{"type":["container"]}'}
        async with self._engine.request("/events", query, EVENTS) as answer:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            splitter = Splitter()
            async with _sending(response, http):
                async for data in answer.content.iter_any():
                    for text, cut in splitter.feed(data):
                        if not cut and (told := _event(text, selection)) is not None:
                            await response.write(told)
        return response


@asynccontextmanager
async def _sending(response: web.StreamResponse, http: web.Request) -> AsyncIterator[None]:
    """Once it has begun, all that one can do about an error is to break it off: an end would look like the end."""
    await response.prepare(http)
    try:
        yield
    except EngineError:
        if http.transport is not None:
            http.transport.abort()
    else:
        await response.write_eof()


def _event(text: str, selection: Selection) -> bytes | None:
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, dict) or values.get("Type", "container") != "container":
        return None
    container: Container = of_event(values)
    if not selection.includes(container):
        return None
    return json.dumps(answers.event(values, selection.labels_read)).encode() + b"\n"


def _problem(status: int, message: str) -> web.Response:
    """As the engine words it."""
    return web.json_response({"message": message}, status=status)
