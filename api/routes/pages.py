"""The pages: chat, streams, agents, and the API's documentation. Files without a build step, nothing from elsewhere."""

from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from api.access.policy import policy
from api.http.page_route import PageRoute
from core.settings import Settings

WEB = Path(__file__).parent.parent.parent / "web"


class Assets(StaticFiles):
    """A browser asks each time whether it has the newest: else it would run old scripts on a new page for days."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def content_security_policy(settings: Settings) -> str:
    """No inline script or style. In production a page talks to its own API only, over WebSockets too ('self' is of the
    host, whatever the scheme: CSP 3, 6.7.2.8); in development its settings may name another one."""
    connect = "'self'" if settings.env == "production" else "'self' http: https: ws: wss:"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def add_pages(app: FastAPI, settings: Settings) -> None:
    """Ahead of the routes that have the path of a page for programs."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": content_security_policy(settings)}

    @policy(is_open=True)
    async def chat() -> FileResponse:
        return FileResponse(WEB / "chat.html", headers=headers)

    @policy(is_open=True)
    def streams(request: Request) -> HTMLResponse:
        """A goal's id may have slashes, and proxies decode some: no relative address finds the assets from there."""
        page = (WEB / "streams.html").read_text(encoding="utf-8")
        root = escape(request.scope.get("root_path", ""))
        return HTMLResponse(page.replace('="assets/', f'="{root}/assets/'), headers=headers)

    @policy(is_open=True)
    async def agents(_: Request) -> FileResponse:
        return FileResponse(WEB / "agents.html", headers={**headers, "Vary": "Accept"})

    async def docs() -> FileResponse:
        return FileResponse(WEB / "docs.html", headers=headers)

    app.add_api_route("/", chat, include_in_schema=False)
    app.add_api_route("/streams", streams, include_in_schema=False)
    app.add_api_route("/goals/{goal_id:path}", streams, include_in_schema=False)
    app.router.routes.append(PageRoute("/agents", agents, include_in_schema=False))
    app.add_api_route("/docs", docs, include_in_schema=False)
    app.mount("/assets", policy(is_open=True)(Assets(directory=WEB / "assets", check_dir=False)), name="assets")
