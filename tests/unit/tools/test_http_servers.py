"""MCP servers over streamable HTTP: real ones of the official SDK, and some that are none."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.tools.base import ToolOutput
from core.tools.mcp import server as mcp
from core.tools.mcp.base import MAX_MESSAGE_BYTES
from core.tools.toolbox import Toolbox
from tests.unit.providers.upstream import Upstream
from tests.unit.tools.mcp_servers import HttpServer, call, names, result, toolbox_with, until_listed

pytestmark = pytest.mark.anyio

LOST = "was lost before it answered: nobody knows whether the call was carried out"


@pytest.fixture(scope="module")
def lasting() -> Iterator[HttpServer]:
    """One for all who do it no harm: a server takes a second to start."""
    with HttpServer() as server:
        yield server


@pytest.fixture
async def toolbox(home: Path, lasting: HttpServer, _loop_is_left_clean: None) -> AsyncIterator[Toolbox]:
    async with toolbox_with(home, url=lasting.url) as toolbox:
        yield toolbox


async def test_a_server_s_tools_are_shown_and_called(toolbox: Toolbox) -> None:
    (spec,) = await toolbox.specs(["s_add"])
    assert (spec.name, spec.description) == ("s_add", "Adds two numbers.")
    assert await call(toolbox, "add", a=1, b=2) == ToolOutput("3")
    assert await result(toolbox, "told") == {"hopstream/idempotencyKey": "s.3.2.1"}


async def test_errors_of_tools_and_arguments(toolbox: Toolbox) -> None:
    for output, words in [
        (await call(toolbox, "fail"), "out of order"),
        (await call(toolbox, "add"), "Field required"),
    ]:
        assert output.is_error
        assert words in output.content


async def test_half_a_character_breaks_no_request(toolbox: Toolbox) -> None:
    assert await call(toolbox, "echo", text="a\ud83d") == ToolOutput("a\ufffd")


async def test_many_calls_at_once_and_one_that_hangs(toolbox: Toolbox) -> None:
    hanging = asyncio.create_task(call(toolbox, "hang"))
    outputs = await asyncio.gather(*(call(toolbox, "echo", text=str(number)) for number in range(20)))
    assert [output.content for output in outputs] == [str(number) for number in range(20)]
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await call(toolbox, "hang", seconds=0.1) == ToolOutput(
        "s_hang did not answer within 0.1 seconds.", is_error=True
    )
    assert (await call(toolbox, "echo", text="still here")).content == "still here"


async def test_headers_are_sent_with_their_variables(
    home: Path, lasting: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t0ken")
    async with toolbox_with(home, url=lasting.url, headers={"Authorization": "Bearer env:TOKEN"}) as toolbox:
        sent = await result(toolbox, "headers")
    assert sent["authorization"] == "Bearer t0ken"
    assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize("arguments", [("--json",), ("--older",)])  # the latter sends events
async def test_long_results(home: Path, arguments: tuple[str, ...]) -> None:
    with HttpServer(*arguments) as server:
        async with toolbox_with(home, url=server.url) as toolbox:
            output = await call(toolbox, "big", length=1_500_000)
            assert (len(output.content), output.truncated, output.is_error) == (32_000, True, False)
            output = await call(toolbox, "big", length=MAX_MESSAGE_BYTES)
            assert output.is_error
            assert len(output.content) < 1000
            assert (await call(toolbox, "add", a=1, b=2)).content == "3"


async def test_a_server_that_comes_later(home: Path) -> None:
    server = HttpServer()
    async with toolbox_with(home, url=server.url) as toolbox:
        with capture_logs() as lines:
            assert await names(toolbox) == []
        assert [line["action"] for line in lines if line["action"] == "tools.server_away"] == ["tools.server_away"]
        with server:
            await until_listed(toolbox, "s_add")
            assert (await call(toolbox, "add", a=1, b=2)).content == "3"


@pytest.mark.parametrize("arguments", [(), ("--older",)])
async def test_a_server_that_is_restarted(home: Path, arguments: tuple[str, ...]) -> None:
    with HttpServer(*arguments) as server:
        async with toolbox_with(home, url=server.url) as toolbox:
            assert (await call(toolbox, "add", a=1, b=2)).content == "3"
            server.kill()
            output = await call(toolbox, "add", a=1, b=2)
            assert output.is_error
            server.start()
            assert (await call(toolbox, "add", a=1, b=2)).content == "3"
            await until_listed(toolbox, "s_add")


async def test_a_server_that_dies_in_mid_call(home: Path) -> None:
    with HttpServer() as server:
        async with toolbox_with(home, url=server.url) as toolbox:
            hanging = asyncio.create_task(call(toolbox, "hang"))
            assert (await call(toolbox, "echo", text="ready")).content == "ready"
            for output in (await call(toolbox, "die"), await hanging):
                assert output.is_error
                assert LOST in output.content
            server.wait_gone()
            assert "cannot be reached (ConnectError)" in (await call(toolbox, "add", a=1, b=2)).content
            server.kill()
            server.start()
            assert (await call(toolbox, "add", a=1, b=2)).content == "3"


@pytest.mark.parametrize("arguments", [(), ("--older",)])
async def test_tools_that_come_later(home: Path, arguments: tuple[str, ...]) -> None:
    with HttpServer(*arguments) as server:
        async with toolbox_with(home, url=server.url) as toolbox:
            assert "s_late" not in await names(toolbox)
            await call(toolbox, "grow")
            await until_listed(toolbox, "s_late")
            assert (await call(toolbox, "late")).content == "at last"


async def test_a_list_grows_old(home: Path, lasting: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "LIST_SECONDS", 0.0)
    async with toolbox_with(home, url=lasting.url) as toolbox:
        assert "s_add" in await names(toolbox)
        monkeypatch.setattr("core.tools.mcp.connection.McpConnection.tools", _none)
        assert await names(toolbox) == []


async def _none(*_: object) -> dict[str, object]:
    return {}


def answer(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (answer("401 Unauthorized"), "it answers with HTTP status 401"),
        (answer("307 Temporary Redirect", "Location: http://127.0.0.2:1/mcp"), "not followed"),
        (answer("200 OK", JSON, "Content-Encoding: gzip", body="{}"), "its answer is compressed"),
        (answer("200 OK", "Content-Type: text/html"), "Unexpected content type: text/html"),
        (answer("200 OK", JSON, body="{"), "MCPError"),
    ],
)
async def test_what_is_no_server_is_away(home: Path, answered: bytes, reason: str) -> None:
    async with Upstream() as upstream:
        upstream.say(answered)
        async with toolbox_with(home, url=f"{upstream.url}/mcp", headers={"X-Key": "secret"}) as toolbox:
            with capture_logs() as lines:
                assert await names(toolbox) == []
    (line,) = [line for line in lines if line["action"] == "tools.server_away"]
    assert reason in line["reason"]
    assert "secret" not in json.dumps(lines)
    assert {asked.headers["x-key"] for asked in upstream.asked} == {"secret"}
