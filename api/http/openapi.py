"""The OpenAPI document says which routes need a key: those that may answer 401. `api.http.access` holds them to it."""

from typing import Any

from fastapi import FastAPI

SCHEME = "HTTPBearer"


def document_access(app: FastAPI) -> None:
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
        for path in document["paths"].values():
            for operation in path.values():
                if "401" in operation["responses"]:
                    operation["security"] = [{SCHEME: []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
