"""Python functions as tools: their schemas, their arguments and results, and where they run."""

import asyncio
import sys
import threading
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.tools import function as functions_of_ours
from core.tools import python
from core.tools.base import BadArguments, ToolCallContext, ToolError, ToolOutput, ToolSpec
from core.tools.python import PythonTool
from core.tools.threads import in_thread
from tests.patience import PATIENCE_SECONDS
from tests.unit.tools import functions

pytestmark = pytest.mark.anyio

CONTEXT = ToolCallContext("s", 3, 2, 1, "alice")


def tool(name: str, description: str | None = None) -> PythonTool:
    return PythonTool(name, f"{functions.__name__}:{name}", description, idempotent=False)


async def called(name: str, **arguments: Any) -> str:
    return (await tool(name).call(arguments, CONTEXT)).content


async def test_signature_and_docstring_make_what_a_model_sees() -> None:
    spec = await tool("weather").spec()
    assert spec is not None
    assert (spec.name, spec.description) == ("weather", "Tells the weather.\n\nOf any day.")
    place = {
        "properties": {
            "city": {"type": "string"},
            "days": {"default": [], "items": {"format": "date", "type": "string"}, "type": "array"},
        },
        "required": ["city"],
        "title": "Place",
        "type": "object",
    }
    assert spec.parameters == {
        "$defs": {"Place": place},
        "additionalProperties": False,
        "properties": {
            "place": {"$ref": "#/$defs/Place"},
            "unit": {"default": "C", "description": "C or F.", "type": "string"},
        },
        "required": ["place"],
        "type": "object",
    }
    assert spec.as_openai() == {
        "type": "function",
        "function": {"name": "weather", "description": spec.description, "parameters": spec.parameters},
    }


async def test_the_file_s_description_goes_before_the_docstring() -> None:
    spec = await tool("weather", "Not today.").spec()
    assert spec is not None
    assert spec.description == "Not today."


async def test_results_are_text_as_it_is_or_json() -> None:
    assert await called("long", length=3) == "xxx"
    assert await called("weather", place={"city": "Rome", "days": ["2026-01-02"]}) == (
        '{"place":{"city":"Rome","days":["2026-01-02"]},"unit":"C"}'
    )
    assert await called("nothing") == "null"
    assert await tool("finished").call({}, CONTEXT) == ToolOutput("no", is_error=True)


async def test_names_that_no_field_could_have() -> None:
    spec = await tool("odd_names").spec()
    assert spec is not None
    assert list(spec.parameters["properties"]) == ["schema", "_private", "model_config", "copy"]
    assert await called("odd_names", schema=1) == "1 2 3 None"
    assert await called("odd_names", schema="4", _private=5, model_config=6, copy={"a": []}) == "4 5 6 {'a': []}"


async def test_a_context_is_given_and_not_shown() -> None:
    spec = await tool("whose").spec()
    assert spec is not None
    assert list(spec.parameters["properties"]) == ["text"]
    assert await called("whose", text="is") == "s.3.2.1 is alice"
    with pytest.raises(BadArguments, match="first: Extra inputs"):
        await called("whose", text="is", first={"session_id": "of another"})


async def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(BadArguments) as raised:
        await called("odd_names", model_config=0, schem=1)
    assert raised.value.message.splitlines() == [
        "schema: Field required",
        "model_config: Input should be greater than or equal to 1",
        "schem: Extra inputs are not permitted",
    ]
    with pytest.raises(BadArguments, match=r"place.days.0: Input should be a valid date"):
        await called("weather", place={"city": "Rome", "days": ["soon"]})


async def test_many_faults_are_cut_short() -> None:
    with pytest.raises(BadArguments) as raised:
        await called("nothing", **{f"n{number}": 1 for number in range(1000)})
    assert len(raised.value.message.splitlines()) == functions_of_ours.MAX_FAULTS


async def test_a_function_that_blocks_runs_in_a_thread() -> None:
    assert await called("thread") == "tool thread"


async def test_a_function_that_hangs_is_left_behind() -> None:
    functions.released.clear()
    calls = [asyncio.create_task(called("block")) for _ in range(2)]
    await asyncio.sleep(0)
    calls[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    assert await called("long", length=1) == "x"
    functions.released.set()
    assert await calls[1] == "released"


async def test_those_that_hang_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions_of_ours, "MAX_THREADS", 2)
    functions.released.clear()
    blocking = tool("block")
    await blocking.spec()
    calls = [asyncio.create_task(blocking.call({}, CONTEXT)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(ToolError, match="2 of its calls have not returned"):
        await blocking.call({}, CONTEXT)
    functions.released.set()
    await asyncio.gather(*calls)
    assert (await blocking.call({}, CONTEXT)).content == "released"


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
async def test_a_thread_raises_nothing_that_means_something_else_here(raised: BaseException) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(RuntimeError, match=f"it raised {type(raised).__name__}"):
        await in_thread("failing", fail)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_package:f", "No module named 'no_such_package'"),
        ("tests.unit.tools.functions:missing", "has no attribute 'missing'"),
        ("tests.unit.tools.functions:NOT_A_FUNCTION", "is no function"),
        ("tests.unit.tools.functions:positional", "parameter text cannot be given by its name"),
        ("tests.unit.tools.functions:any_number", "parameter texts cannot be given by its name"),
        ("tests.unit.tools.functions:no_schema", "Thread"),
        ("tests.unit.tools.leaving:f", "it raised SystemExit"),
        ("no-such-point", "there are 0 entry points 'no-such-point'"),
    ],
)
async def test_what_cannot_be_loaded_is_said_once(reference: str, reason: str) -> None:
    broken = PythonTool("broken", reference, None, idempotent=False)
    with capture_logs() as lines:
        assert await broken.spec() is None
        assert await broken.spec() is None
        with pytest.raises(ToolError, match="broken is not to be had"):
            await broken.call({}, CONTEXT)
    (line,) = lines
    assert (line["action"], line["tool"], line["python"]) == ("tool.unavailable", "broken", reference)
    assert reason in str(line["exc_info"])


async def test_code_that_takes_long_to_load_holds_up_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, imports = threading.Event(), []

    def resolve(reference: str) -> object:
        imports.append(reference)
        assert goes_on.wait(PATIENCE_SECONDS)
        return functions.weather

    monkeypatch.setattr(python, "resolve_name", resolve)
    monkeypatch.setattr(python, "SPEC_SECONDS", 0.01)
    slow = tool("weather")
    with capture_logs() as lines:
        assert [await slow.spec() for _ in range(3)] == [None] * 3
    assert [(line["action"], line["tool"]) for line in lines] == [("tool.unavailable", "weather")]
    calling = asyncio.create_task(slow.call({"place": {"city": "Rome"}}, CONTEXT))
    goes_on.set()
    assert "Rome" in (await asyncio.wait_for(calling, PATIENCE_SECONDS)).content
    assert await slow.spec() is not None
    assert len(imports) == 1


async def test_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("clock", "tests.unit.tools.functions:process", python.GROUP)
    monkeypatch.setattr(python, "entry_points", lambda **names: EntryPoints([point, point]).select(**names))
    spec = await PythonTool("mine", "clock", "Counts.", idempotent=True).spec()
    assert spec == ToolSpec("mine", "Counts.", {"additionalProperties": False, "properties": {}, "type": "object"})


async def test_nothing_is_imported_before_it_is_asked_for() -> None:
    name = "tests.unit.tools.imported_late"
    late = PythonTool("late", f"{name}:late", None, idempotent=False)
    assert name not in sys.modules
    assert (await late.call({}, CONTEXT)).content == "late"


async def test_a_function_that_hangs_holds_up_no_process() -> None:
    code = (
        "import asyncio, threading\n"
        "from core.tools.threads import in_thread\n"
        "async def main():\n"
        "    asyncio.create_task(in_thread('hanging', threading.Event().wait))\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
