"""What every answer has, what browsers need, and the routes for people and probes."""

import re

import pytest

from tests.client import Client, new_session
from tests.integration.conftest import assert_problem
from tests.parts import require
from tests.stack import ROOT

pytestmark = pytest.mark.anyio

PAGE = ROOT / "web" / "chat.html"
MADE_ID = re.compile(r"[0-9a-f]{16}\Z")


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/sessions/a.b", "/stream/unknown", "/openapi.json"])
async def test_every_answer_has_the_request_id_that_was_given(client: Client, path: str) -> None:
    given = new_session()
    response = await client.http.get(path, headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given
    if response.status_code >= 400:
        assert response.json()["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "<script>", 'a"b'])
async def test_one_is_made_where_none_or_no_sane_one_was_given(client: Client, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    ids = [(await client.http.get("/health", headers=headers)).headers["x-request-id"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert all(MADE_ID.match(request_id) for request_id in ids)


async def test_streams_have_a_request_id_as_well(client: Client) -> None:
    for body in ({"mode": "direct"}, {}):
        async with client.ask_streaming(accept="text/event-stream", model="mock?tokens=1", **body) as stream:
            assert MADE_ID.match(stream.response.headers["x-request-id"])
            session = stream.response.headers["x-session-id"]
            await stream.rest()
        async with client.stream(session) as stream:
            assert MADE_ID.match(stream.response.headers["x-request-id"])


@pytest.mark.parametrize("origin", ["null", "https://chat.example"])
async def test_a_page_from_anywhere_may_call(client: Client, origin: str) -> None:
    """`null` is the origin of a page that was opened as a file."""
    for method, path, header in (
        ("POST", "/chat", "content-type"),
        ("GET", "/stream/s", "last-event-id"),
        ("DELETE", "/sessions/s", "x-request-id"),
    ):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": header,
        }
        preflight = await client.http.options(path, headers=headers)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert method in preflight.headers["access-control-allow-methods"]
        assert header in preflight.headers["access-control-allow-headers"].lower()


async def test_a_page_may_read_answers_errors_and_streams(client: Client) -> None:
    headers = {"Origin": "null"}
    asked = await client.http.post("/chat", json={"message": "hello"}, headers=headers)
    stream = await client.http.get(asked.json()["stream_url"], headers=headers)
    refused = await client.http.post("/chat", json={}, headers=headers)
    too_large = await client.http.post("/chat", content=b"x" * 1_700_000, headers=headers)
    assert [r.status_code for r in (asked, stream, refused, too_large)] == [202, 200, 422, 413]
    for response in (asked, stream, refused, too_large):
        assert response.headers["access-control-allow-origin"] == "*"
        exposed = response.headers["access-control-expose-headers"].lower()
        assert {"x-request-id", "x-session-id", "location", "retry-after"} <= set(re.split(r", *", exposed))


async def test_health_and_ready(client: Client) -> None:
    response = await client.http.get("/health")
    health = response.json()
    assert response.status_code == 200
    assert re.match(r"\d+\.\d+\.\d+", health.pop("version"))
    assert isinstance(health.pop("circuits"), dict)
    assert health == {
        "status": "ok",
        "provider": "openai",
        "model": "mock",
        "broker": "up",
        "store": "up",
        "workers": 1,
    }
    ready = await client.http.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "broker": "up", "store": "up"})


async def test_the_provider_is_tested(client: Client) -> None:
    response = await client.http.get("/test")
    body = response.json()
    assert (response.status_code, body["model"]) == (200, "mock")
    assert body["reply"].startswith("t000000 ")
    assert 0 < body["latency_ms"] < 10_000
    assert body.keys() == {"model", "latency_ms", "reply"}


async def test_the_openapi_page_and_document(client: Client) -> None:
    page = await client.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    document = (await client.http.get("/openapi.json")).json()
    assert document["info"]["title"] == "Hopstream"
    for path, method in (
        ("/chat", "post"),
        ("/chat/{session_id}/cancel", "post"),
        ("/stream/{session_id}", "get"),
        ("/sessions", "get"),
        ("/sessions/{session_id}", "get"),
        ("/sessions/{session_id}", "delete"),
        ("/health", "get"),
        ("/ready", "get"),
        ("/test", "get"),
    ):
        assert method in document["paths"][path]
    ask = document["paths"]["/chat"]["post"]
    assert {"200", "202", "409", "413", "422", "503"} <= ask["responses"].keys()
    for status in ("409", "413", "422", "503"):
        assert list(ask["responses"][status]["content"]) == ["application/problem+json"]
    assert document["components"]["schemas"]["ChatRequest"]["examples"]
    assert "text/event-stream" in document["paths"]["/stream/{session_id}"]["get"]["responses"]["200"]["content"]


async def test_the_examples_of_the_openapi_page_work(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    for example in document["components"]["schemas"]["ChatRequest"]["examples"]:
        session = new_session()
        response = await client.http.post("/chat", json=example | {"session_id": session})
        assert response.status_code in (200, 202)
        await client.until(session, "done")


async def test_the_page_and_its_assets(client: Client) -> None:
    require(PAGE.exists(), "no web/chat.html")
    page = await client.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text == PAGE.read_text()
    assets = set(re.findall(r'(?:src|href)="(assets/[^"]+)"', page.text))
    assert assets
    for asset in assets:
        response = await client.http.get(f"/{asset}")
        assert (response.status_code, response.content) == (200, (PAGE.parent / asset).read_bytes())


@pytest.mark.parametrize("path", ["/streams", "/streams/", "/goals/a", "/goals/a/b", "/goals/a%2Fb%3F%20%C3%BC"])
async def test_the_page_of_streams_finds_its_assets_from_wherever_it_is(client: Client, path: str) -> None:
    page = await client.http.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assets = set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text))
    assert not re.search(r'="assets/', page.text)
    assert "/assets/streams/page.js" in assets
    for asset in assets:
        assert (await client.http.get(asset)).content == (PAGE.parent / asset[1:]).read_bytes()


@pytest.mark.parametrize(
    "path", ["/nowhere", "/assets/nothing.js", "/assets/%2e%2e/chat.html", "/assets/..%2f..%2fpyproject.toml"]
)
async def test_unknown_paths_are_problems(client: Client, path: str) -> None:
    assert_problem(await client.http.get(path), 404, "not_found")


async def test_a_wrong_method_is_a_problem(client: Client) -> None:
    for method, path, allowed in (
        ("GET", "/chat", "POST"),
        ("POST", "/health", "GET"),
        ("PUT", "/sessions/s", "GET, DELETE"),
        ("POST", "/stream/s", "GET"),
    ):
        response = await client.http.request(method, path)
        assert_problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed
