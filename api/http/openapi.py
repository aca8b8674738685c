"""The OpenAPI document says which routes need a key: all whose policy is not open."""

from typing import Any

from fastapi import FastAPI

from api.access.policy import RoutePolicies
from api.http.problems import responses

SCHEME = "HTTPBearer"


def document_access(app: FastAPI, policies: RoutePolicies) -> None:
    """As FastAPI's manual extends a document. A dependency would do the same, but would be solved for every request."""
    write = app.openapi

    def openapi() -> dict[str, Any]:
        document = write()
        document["components"]["securitySchemes"] = {
            SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key of API_KEYS; none is needed while the API is open.",
            }
        }
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                scope = {"type": "http", "path": path, "method": method.upper()}
                if not policies.find(scope).policy.is_open:
                    operation["security"] = [{SCHEME: []}]
                    operation["responses"]["401"] = responses(401)[401]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
