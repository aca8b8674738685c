"""What goes wrong for a client, as problem+json (RFC 9457)."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from core.model.errors import HopstreamError


class BadQuery(HopstreamError):
    code = "bad_query"
    status = 422
    title = "The query is not understood"


class TooManyStreams(HopstreamError):
    code = "too_many_streams"
    status = 503
    title = "Too many streams are open"


class RedisAway(HopstreamError):
    code = "redis_away"
    status = 503
    title = "Redis does not answer"


class Problem(JSONResponse):
    media_type = "application/problem+json"

    def __init__(self, error: HopstreamError) -> None:
        body = {
            "type": f"urn:hopstream:problem:{error.code}",
            "title": error.title,
            "status": error.status,
            "detail": error.message,
            "code": error.code,
        }
        super().__init__(body, error.status, error.headers)


def install_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Any] = {
        HopstreamError: _on_error,
        RequestValidationError: _on_invalid,
        HTTPException: _on_http_exception,
        RedisError: _on_redis,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _on_error(_: Request, error: HopstreamError) -> Problem:
    return Problem(error)


async def _on_invalid(_: Request, error: RequestValidationError) -> Problem:
    return Problem(BadQuery("; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in error.errors())))


async def _on_redis(_: Request, error: RedisError) -> Problem:
    return Problem(RedisAway(str(error)))


async def _on_http_exception(_: Request, error: HTTPException) -> Problem:
    problem = HopstreamError(str(error.detail), headers=dict(error.headers or {}))
    problem.code, problem.status, problem.title = "not_found", error.status_code, str(error.detail)
    return Problem(problem)
