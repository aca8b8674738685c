"""Errors as `application/problem+json` (RFC 9457): one handler for each kind of exception, one shape for all."""

import math
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.views import Problem
from core.model.errors import HopstreamError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
NOT_JSON = {"field": "body", "message": "is not valid JSON"}
METHODS = ("GET", "HEAD", "POST", "DELETE")
TITLES = {404: "Not found", 405: "Method not allowed"}


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def install_handlers(app: FastAPI) -> None:
    app.add_exception_handler(HopstreamError, _on_hopstream_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"content": content, "description": "Problem"} for status in statuses}


def problem_of(request: HTTPConnection, error: HopstreamError) -> ProblemResponse:
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return problem(
        request,
        error.status,
        error.code,
        error.title,
        error.message,
        errors=[{"field": error.field, "message": error.message}] if error.field else None,
        headers=headers,
        extensions=error.extensions,
    )


def problem(
    request: HTTPConnection,
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    extensions: dict[str, object] | None = None,
) -> ProblemResponse:
    body = Problem(
        type=f"urn:hopstream:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        request_id=request.scope.get("request_id", ""),
        errors=errors,
    )
    return ProblemResponse({**body.model_dump(exclude_none=True), **(extensions or {})}, status, headers)


async def _on_hopstream_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HopstreamError)  # noqa: S101 - registered for these alone
    return problem_of(request, error)


async def _on_invalid_request(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return _invalid(request, [_field_error(item) for item in error.errors()])


def _invalid(request: Request, errors: list[dict[str, str]]) -> ProblemResponse:
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return problem(request, 422, "invalid_input", "The request is not valid", detail, errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    cause = error.__cause__  # FastAPI makes a 400 of whatever happens while it reads a body
    if isinstance(cause, HopstreamError):
        return problem_of(request, cause)
    if isinstance(cause, ValueError | RecursionError):
        return _invalid(request, [NOT_JSON])
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


class BugMiddleware:
    """500 for what nobody has handled, where FastAPI's own handler stands outside of all middleware: its response lacks
    the headers that every response has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except Exception as error:
            log.error("request failed", action="http.bug", path=scope["path"], exc_info=error)
            if has_begun:
                raise
            await _bug(HTTPConnection(scope))(scope, receive, send)


def _bug(request: HTTPConnection) -> ProblemResponse:
    return problem(
        request,
        500,
        "internal_error",
        "Something went wrong on our side",
        "the log has the details under this request_id",
    )


def _field_error(item: dict[str, Any]) -> dict[str, str]:
    """pydantic's error without the input, which may be a message's text."""
    if item["type"] == "json_invalid":
        return NOT_JSON
    where = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")]
    return {"field": ".".join(where) or "body", "message": item["msg"]}
