"""What becomes of exceptions: one handler for each kind, and one middleware for what nobody has handled."""

from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.access.refusals import BUG, close, refusal_of
from api.http.problems import ProblemResponse, problem, problem_of
from core.model.errors import HopstreamError

log = structlog.get_logger()

NOT_JSON = {"field": "body", "message": "is not valid JSON"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
TITLES = {404: "Not found", 405: "Method not allowed"}


class InvalidRequest(HopstreamError):
    code = "invalid_input"
    status = 422
    title = "The request is not valid"

    def __init__(self, fields: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{item['field']}: {item['message']}" for item in fields))
        self.extensions = {"errors": fields}


def install_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Any] = {
        HopstreamError: _on_hopstream_error,
        RequestValidationError: _on_invalid_request,
        WebSocketRequestValidationError: _on_invalid_request,
        HTTPException: _on_http_exception,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _on_hopstream_error(connection: HTTPConnection, error: HopstreamError) -> ASGIApp | None:
    if isinstance(connection, WebSocket) and connection.application_state is not WebSocketState.CONNECTING:
        await close(connection, error)
        return None
    return refusal_of(connection, error)


async def _on_invalid_request(connection: HTTPConnection, error: ValidationException) -> ASGIApp:
    return refusal_of(connection, InvalidRequest([_field_error(item) for item in error.errors()]))


async def _on_http_exception(request: Request, error: HTTPException) -> ProblemResponse:
    cause = error.__cause__  # FastAPI makes a 400 of whatever happens while it reads a body
    if isinstance(cause, HopstreamError):
        return problem_of(request, cause)
    if isinstance(cause, ValueError | RecursionError):
        return problem_of(request, InvalidRequest([NOT_JSON]))
    title = TITLES.get(error.status_code, "The request cannot be answered")
    code = title.lower().replace(" ", "_")
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else dict(error.headers or {})
    return problem(request, error.status_code, code, title, str(error.detail), headers=headers)


def _allowed(request: Request) -> list[str]:
    """All methods of a path. The router knows only those of the first route that has it."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    routes = request.app.routes
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def _field_error(item: dict[str, Any]) -> dict[str, str]:
    """pydantic's error without the input, which may be a message's text."""
    if item["type"] == "json_invalid":
        return NOT_JSON
    source, *where = map(str, item["loc"])  # body, query, path or header
    return {"field": ".".join(where) or source, "message": item["msg"]}


class BugMiddleware:
    """500, or for a WebSocket 1011, and one line in the log for what nobody has handled. FastAPI's own handler stands
    outside of all middleware: its response lacks the headers that every response has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        sent = ""
        """The kind of message that was sent last."""

        async def send_watched(message: Message) -> None:
            nonlocal sent
            sent = cast(str, message["type"])
            await send(message)

        async def send_to_socket(message: Message) -> None:
            try:
                await send_watched(message)
            except OSError as error:  # what ASGI has servers raise when the client is gone
                raise WebSocketDisconnect(1006) from error

        is_socket = scope["type"] == "websocket"
        try:
            await self._app(scope, receive, send_to_socket if is_socket else send_watched)
        except WebSocketDisconnect:
            return
        except Exception as error:
            log.error("request failed", action="http.bug", path=scope["path"], exc_info=error)
            if not sent:
                bug = HopstreamError("the log has the details under this request_id")
                await refusal_of(HTTPConnection(scope), bug)(scope, receive, send)
            elif not is_socket:
                raise
            elif sent in ("websocket.accept", "websocket.send"):
                await send({"type": "websocket.close", "code": BUG})
