"""Errors as `application/problem+json` (RFC 9457), in one shape for all."""

import math
from typing import Any

from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from api.views import Problem
from core.model.errors import HopstreamError

MEDIA_TYPE = "application/problem+json"


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


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
