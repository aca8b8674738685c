"""What nobody has handled is a 500 like every other answer: with its headers, and for other origins to read."""

import httpx
import pytest

from api.app import create_app
from core.settings import Settings
from tests.integration.conftest import assert_problem

pytestmark = pytest.mark.anyio


async def test_a_bug_is_a_problem_with_all_headers() -> None:
    app = create_app(Settings(_env_file=None))
    app.state.services = None  # so that every route fails
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/ready", headers={"X-Request-ID": "mine", "Origin": "https://chat.example"})
    assert_problem(response, 500, "internal_error")
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["access-control-allow-origin"] == "*"
