"""MCP servers that are commands: a real one of the official SDK, which behaves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.tools.base import ToolOutput
from core.tools.toolbox import Toolbox
from tests.unit.tools.mcp_servers import call, command, names, process_of, result, toolbox_with

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def toolbox(home: Path) -> AsyncIterator[Toolbox]:
    """One for all: a server takes a second to start."""
    async with toolbox_with(home, command=command()) as toolbox:
        await names(toolbox)
        yield toolbox


async def test_a_command_s_tools_are_shown_and_called(toolbox: Toolbox) -> None:
    (spec,) = await toolbox.specs(["s_add"])
    assert (spec.name, spec.description) == ("s_add", "Adds two numbers.")
    assert spec.parameters["required"] == ["a", "b"]
    assert await call(toolbox, "add", a=1, b=2) == ToolOutput("3")


async def test_arguments_are_the_server_s_to_refuse(toolbox: Toolbox) -> None:
    output = await call(toolbox, "add", a="one")
    assert output.is_error
    assert "b\n  Field required" in output.content


async def test_a_result_that_is_an_error(toolbox: Toolbox) -> None:
    output = await call(toolbox, "fail")
    assert output.is_error
    assert "out of order" in output.content


async def test_the_idempotency_key_goes_out(toolbox: Toolbox) -> None:
    assert await result(toolbox, "told") == {"hopstream/idempotencyKey": "s.3.2.1"}


async def test_what_is_no_text_is_named(toolbox: Toolbox) -> None:
    assert await call(toolbox, "picture") == ToolOutput("Look:\n[image, image/png, 12 kB]")


async def test_a_megabyte_is_cut_short(toolbox: Toolbox) -> None:
    output = await call(toolbox, "big", length=1_000_000, max_chars=2000)
    assert (len(output.content), output.truncated, output.is_error) == (2000, True, False)


async def test_half_a_character_breaks_no_pipe(toolbox: Toolbox) -> None:
    assert await call(toolbox, "echo", text="a\ud83d") == ToolOutput("a\ufffd")


async def test_calls_take_no_turns(toolbox: Toolbox) -> None:
    hanging = asyncio.create_task(call(toolbox, "hang"))
    outputs = await asyncio.gather(*(call(toolbox, "echo", text=str(number)) for number in range(20)))
    assert [output.content for output in outputs] == [str(number) for number in range(20)]
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert (await call(toolbox, "echo", text="still here")).content == "still here"


async def test_a_call_that_hangs_costs_its_time_and_no_more(toolbox: Toolbox) -> None:
    process = await process_of(toolbox)
    output = await call(toolbox, "hang", seconds=0.1)
    assert output == ToolOutput("s_hang did not answer within 0.1 seconds.", is_error=True)
    assert await process_of(toolbox) == process


async def test_a_command_s_own_folder_is_below_data(toolbox: Toolbox, home: Path) -> None:
    assert (await result(toolbox, "surroundings"))["folder"] == str(home / "data/tools/s")


async def test_a_flood_of_errors_stops_nothing(toolbox: Toolbox) -> None:
    assert (await call(toolbox, "complain", kilobytes=20_000)).content == "done"
