"""A call of a tool: whatever goes wrong, the model is told in words, and the log in one line."""

import asyncio
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.settings import Settings
from core.tools.base import ToolCallContext, ToolOutput
from core.tools.calling import call_tool
from core.tools.toolbox import Toolbox
from tests.patience import PATIENCE_SECONDS
from tests.unit.tools import functions

pytestmark = pytest.mark.anyio

NAMES = [name for name, value in vars(functions).items() if inspect.isfunction(value)]
MAX_CHARS = 1000


@pytest.fixture
def toolbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    tables = [f'[tools.{name}]\npython = "{functions.__name__}:{name}"\n' for name in NAMES]
    tables.append('[tools.hidden]\nbuiltin = "calculator"\nkeys = ["bob"]\n[tools.others]\nbuiltin = "calculator"\n')
    (tmp_path / "tools.toml").write_text("".join(tables))
    monkeypatch.setenv("TOOLS_FILE", str(tmp_path / "tools.toml"))
    return Toolbox(Settings())


async def call(
    toolbox: Toolbox,
    name: str,
    arguments: object = "",
    *,
    among: Sequence[str] = (*NAMES, "hidden"),
    seconds: float = PATIENCE_SECONDS,
    key_name: str | None = "alice",
) -> ToolOutput:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    context = ToolCallContext("s", 3, 2, 1, key_name)
    return await call_tool(toolbox, name, text, context, among=among, seconds=seconds, max_chars=MAX_CHARS)


async def test_a_call_comes_to_its_result(toolbox: Toolbox) -> None:
    assert await call(toolbox, "whose", {"text": "is"}) == ToolOutput("s.3.2.1 is alice")


@pytest.mark.parametrize("arguments", ["", "  ", "{}", "\n{ }"])
async def test_a_tool_without_parameters_needs_no_arguments(toolbox: Toolbox, arguments: str) -> None:
    assert await call(toolbox, "nothing", arguments) == ToolOutput("null")


@pytest.mark.parametrize(
    ("name", "arguments", "words", "outcome"),
    [
        ("nope", "", "There is no tool 'nope'. There are: ", "unknown_tool"),
        ("others", {"expression": "1"}, "There is no tool 'others'.", "unknown_tool"),
        ("hidden", {"expression": "1"}, "There is no tool 'hidden'.", "unknown_tool"),
        ("long", "{", "no valid JSON: Expecting property name", "bad_arguments"),
        ("long", '{"length": NaN}', "no valid JSON: NaN is no JSON", "bad_arguments"),
        pytest.param("long", f'{{"length": {"1" * 5000}}}', "no valid JSON", "bad_arguments", id="many digits"),
        ("long", "[1]", "have to be one JSON object", "bad_arguments"),
        ("long", '"1"', "have to be one JSON object", "bad_arguments"),
        pytest.param("long", "[" * 100_000, "nested too deeply", "bad_arguments", id="deep"),
        ("long", "{}", "length: Field required", "bad_arguments"),
        ("long", {"length": "much"}, "length: Input should be a valid integer", "bad_arguments"),
        ("refuse", "", "The shop is closed.", "tool_error"),
        ("finished", "", "no", "tool_error"),
        ("refuse_by_number", "", "5", "tool_error"),
        ("no_text", "", "no_text failed: TypeError: the content of its output is a dict", "failed"),
        ("break_down", "", "break_down failed: ZeroDivisionError: of mine", "failed"),
        ("run_out", "", "run_out failed: RuntimeError: it raised StopIteration", "failed"),
        ("leave", "", "leave failed: RuntimeError: it raised SystemExit", "failed"),
        ("leave_at_once", "", "leave_at_once failed: SystemExit: 3", "failed"),
        ("be_slow_by_itself", "", "be_slow_by_itself failed: TimeoutError: of mine", "failed"),
        ("cancel_itself", "", "cancel_itself failed: its own work was cancelled.", "failed"),
        ("be_speechless", "", "be_speechless failed: tests.unit.tools.functions.Speechless: <exception", "failed"),
        ("unserializable", "", "unserializable failed: pydantic_core", "failed"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    toolbox: Toolbox, name: str, arguments: object, words: str, outcome: str
) -> None:
    with capture_logs() as lines:
        output = await call(toolbox, name, arguments)
    assert words in output.content
    assert output.is_error
    (line,) = lines
    assert (line["action"], line["tool"], line["outcome"]) == ("tool.called", name, outcome)


async def test_an_unknown_tool_names_those_that_may_be_used(toolbox: Toolbox) -> None:
    output = await call(toolbox, "search", among=["hidden", "long", "others"])
    assert output.content == "There is no tool 'search'. There are: long, others."
    output = await call(toolbox, "search", among=[])
    assert output.content == "There is no tool 'search'. There are: none."


@pytest.mark.parametrize("name", ["hang", "block"])
async def test_a_call_that_takes_too_long_is_left(toolbox: Toolbox, name: str) -> None:
    functions.released.clear()
    try:
        with capture_logs() as lines:
            output = await call(toolbox, name, seconds=0.05)
    finally:
        functions.released.set()
    assert output == ToolOutput(f"{name} did not answer within 0.05 seconds.", is_error=True)
    assert [line["outcome"] for line in lines] == ["time_out"]


async def test_who_calls_can_be_cancelled(toolbox: Toolbox) -> None:
    with capture_logs() as lines:
        task = asyncio.create_task(call(toolbox, "hang"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [line["outcome"] for line in lines] == ["cancelled"]


@pytest.mark.parametrize(("length", "truncated"), [(MAX_CHARS, False), (MAX_CHARS + 1, True), (3_000_000, True)])
async def test_a_long_result_is_cut(toolbox: Toolbox, length: int, truncated: bool) -> None:
    output = await call(toolbox, "long", {"length": length})
    assert output.truncated == truncated
    assert len(output.content) == MAX_CHARS
    assert output.content.endswith(f"\n[cut off: this is the beginning of {length} characters]") == truncated


@pytest.mark.parametrize(("text", "stored"), [("a\0b", "a\ufffdb"), ("\ud83d", "\ufffd"), ("\U0001f600", "\U0001f600")])
async def test_what_no_database_takes_is_replaced_in_results(toolbox: Toolbox, text: str, stored: str) -> None:
    output = await call(toolbox, "halves", {"text": text})
    assert output.content == f"\ufffd{stored}\ufffd"
    assert output.content.encode()


async def test_half_characters_of_arguments_are_replaced(toolbox: Toolbox) -> None:
    output = await call(toolbox, "characters", r'{"texts": ["\ud83d", "\ud83d\ude00", "\ude00\ud83d", "a\u0000"]}')
    assert json.loads(output.content) == [[0xFFFD], [0x1F600], [0xFFFD, 0xFFFD], [0x61, 0]]


async def test_the_log_has_neither_arguments_nor_results(toolbox: Toolbox) -> None:
    with capture_logs() as lines:
        await call(toolbox, "whose", {"text": "arg-secret"})
        await call(toolbox, "whose", {"text": "arg-secret", "more": 1})
        await call(toolbox, "break_down")
    assert "arg-secret" not in repr(lines)
    assert "of mine" not in repr(lines)
    keys: set[Any] = {"event", "log_level", "action", "tool", "seconds", "outcome", "session_id", "turn"}
    assert all(set(line) == keys for line in lines)
    assert (lines[0]["session_id"], lines[0]["turn"], lines[0]["outcome"]) == ("s", 3, "ok")


async def test_calls_run_at_the_same_time(toolbox: Toolbox) -> None:
    functions.released.clear()
    blocked = [asyncio.create_task(call(toolbox, "block")) for _ in range(4)]
    assert (await call(toolbox, "nothing")).content == "null"
    functions.released.set()
    assert [output.content for output in await asyncio.gather(*blocked)] == ["released"] * 4
