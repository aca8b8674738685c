"""MCP servers that are commands, and misbehave, die, or cannot even start."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import psutil
import pytest
from structlog.testing import capture_logs

from core.tools.mcp import server as mcp
from core.tools.mcp.base import MAX_MESSAGE_BYTES
from core.tools.mcp.process import ProcessGroup
from core.tools.toolbox import Toolbox
from tests.unit.tools.mcp_servers import call, command, names, process_of, result, toolbox_with, until, until_listed

pytestmark = pytest.mark.anyio

LOST = "was lost before it answered: nobody knows whether the call was carried out"


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """As our processes run."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def toolbox(home: Path, _loop_is_left_clean: None) -> AsyncIterator[Toolbox]:
    async with toolbox_with(home, command=command()) as toolbox:
        yield toolbox


def is_alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_command_gets_nothing_that_the_file_does_not_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("NAMED", "this one")
    async with toolbox_with(
        home, command=command(), folder=str(home / "home"), environment=["NAMED", "NOT_THERE"]
    ) as toolbox:
        told = await result(toolbox, "surroundings")
    assert told["environment"].pop("LC_CTYPE", None) in (None, "C.UTF-8")  # Python's own (PEP 538)
    assert told["environment"] == {"NAMED": "this one"}
    assert told["folder"] == str(home / "home")
    assert told["group"] == told["process"] != os.getpgrp()


async def test_a_server_that_dies_in_mid_call_is_started_again(toolbox: Toolbox) -> None:
    first = await process_of(toolbox)
    with capture_logs() as lines:
        output = await call(toolbox, "die")
        assert output.is_error
        assert LOST in output.content
        assert await process_of(toolbox) != first
    assert [line["action"] for line in lines if line["action"] != "tool.called"] == [
        "tools.server_away",
        "tools.server_connected",
    ]


async def test_one_that_dies_again_and_again_is_left_alone_for_a_while(toolbox: Toolbox) -> None:
    for _ in range(len(mcp.PAUSES)):
        output = await call(toolbox, "die")
        if "cannot be reached" in output.content:
            break
        assert LOST in output.content
    assert output.is_error
    assert "The tool's server s cannot be reached." in output.content


async def test_an_answer_between_two_deaths_makes_up_for_the_first(
    toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "PAUSES", (0.0, 3600.0))
    for _ in range(2):
        await call(toolbox, "die")
        assert (await call(toolbox, "echo", text="here")).content == "here"


async def test_all_calls_end_when_their_server_dies(toolbox: Toolbox) -> None:
    hanging = [asyncio.create_task(call(toolbox, "hang")) for _ in range(3)]
    assert (await call(toolbox, "echo", text="ready")).content == "ready"
    await call(toolbox, "die")
    outputs = await asyncio.gather(*hanging)
    assert all(output.is_error and LOST in output.content for output in outputs)


@pytest.mark.parametrize(
    ("tool", "reason"),
    [("spew", f"it wrote a line of more than {MAX_MESSAGE_BYTES} bytes"), ("babble", "it writes what are no messages")],
)
async def test_one_that_misbehaves_is_ended(toolbox: Toolbox, tool: str, reason: str) -> None:
    process = await process_of(toolbox)
    with capture_logs() as lines:
        output = await call(toolbox, tool)
        assert output.is_error
        assert LOST in output.content
        assert await process_of(toolbox) != process
    assert not is_alive(process)
    assert [line["reason"] for line in lines if line["action"] == "tools.server_away"] == [reason]


async def test_the_whole_group_is_ended(home: Path) -> None:
    async with toolbox_with(home, command=command()) as toolbox:
        family = (await result(toolbox, "dig_in"))["family"]
        assert [is_alive(number) for number in family] == [True, True]
    assert [is_alive(number) for number in family] == [False, False]


async def test_an_ending_that_is_cut_short_kills(home: Path) -> None:
    ignoring = "import os, signal; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); signal.pause()"
    group = await ProcessGroup.start([sys.executable, "-c", ignoring], {}, home, longest_line=1000)
    number = int(await group.stdout.readline())
    ending = asyncio.create_task(group.end())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    await until(lambda: not is_alive(number))


async def test_a_closed_toolbox_starts_nothing(toolbox: Toolbox) -> None:
    await toolbox.close()
    assert (await call(toolbox, "add", a=1, b=2)).content == "The tool's server s cannot be reached."


async def test_tools_that_come_later_are_seen(toolbox: Toolbox) -> None:
    assert "s_late" not in await names(toolbox)
    await call(toolbox, "grow")
    await until_listed(toolbox, "s_late")
    assert (await call(toolbox, "late")).content == "at last"


async def test_what_is_known_is_shown_while_a_server_is_away(toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = await toolbox.specs(["s_add"])
    monkeypatch.setattr(mcp, "PAUSES", (3600.0,))
    await call(toolbox, "die")
    assert "It is tried again in" in (await call(toolbox, "add", a=1, b=2)).content
    assert await toolbox.specs(["s_add"]) == [before]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["no-such-command"], "there is no command no-such-command"),
        (command("--complaint", "No token!"), "it has ended: No token!"),
        (["/etc"], "there is no command /etc"),
    ],
)
async def test_a_server_that_cannot_start_says_why_once(home: Path, arguments: list[str], reason: str) -> None:
    async with toolbox_with(home, command=arguments, tools=["add"]) as toolbox:
        with capture_logs() as lines:
            assert await names(toolbox) == []
            assert await names(toolbox) == []
            assert (await call(toolbox, "add")).is_error
    told = [line for line in lines if line["action"] != "tool.called"]
    assert [line["action"] for line in told] == ["tools.server_away", "tool.unavailable"]
    assert reason in told[0]["reason"]


async def test_a_greeting_on_the_output_is_passed_over(home: Path) -> None:
    async with toolbox_with(home, command=command("--greeting", "Hello!")) as toolbox:
        assert (await call(toolbox, "add", a=1, b=2)).content == "3"


async def test_a_server_starts_when_it_is_needed(home: Path) -> None:
    async with toolbox_with(home, command=command()) as toolbox:
        assert [name for name, _ in toolbox.listed(None)]
        assert psutil.Process().children() == []


async def test_a_turn_waits_a_little_for_a_server_that_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "SPEC_SECONDS", 0.1)
    mute = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    async with toolbox_with(home, command=mute) as toolbox:
        with anyio.fail_after(mcp.OPEN_SECONDS / 2):
            assert await names(toolbox) == []
        assert (await call(toolbox, "add", seconds=0.1)).content == "s_add did not answer within 0.1 seconds."


async def test_a_server_that_never_answers_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "OPEN_SECONDS", 0.2)
    mute = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    async with toolbox_with(home, command=mute) as toolbox:
        with capture_logs() as lines:
            assert "cannot be reached" in (await call(toolbox, "add")).content
    reasons = [line["reason"] for line in lines if line["action"] == "tools.server_away"]
    assert reasons == ["it did not answer within 0.2 seconds"]


async def test_a_list_that_is_none_is_no_turn_s_end(toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "LIST_SECONDS", 0.0)
    assert "s_add" in await names(toolbox)

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("closed meanwhile")

    monkeypatch.setattr("mcp.Client.list_tools", fail)
    assert "s_add" in await names(toolbox)


async def test_one_that_answers_nothing_is_started_again(toolbox: Toolbox) -> None:
    first = await process_of(toolbox)
    for _ in range(2):
        for _ in range(mcp.MOST_TIME_OUTS - 1):
            assert "did not answer" in (await call(toolbox, "hang", seconds=0.05)).content
        assert await process_of(toolbox) == first  # it has answered in between
    with capture_logs() as lines:
        for _ in range(mcp.MOST_TIME_OUTS):
            await call(toolbox, "hang", seconds=0.05)
        assert await process_of(toolbox) != first
    assert [line["reason"] for line in lines if line.get("action") == "tools.server_away"] == [
        "it has left 3 calls in a row without an answer"
    ]
    assert not is_alive(first)
