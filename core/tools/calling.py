"""One call of a tool: whatever goes wrong becomes an output that the model can act on."""

import asyncio
import json
import re
import traceback
from collections.abc import Sequence
from time import monotonic
from typing import Any, NoReturn

import structlog

from core.tools.base import BadArguments, Tool, ToolCallContext, ToolError, ToolOutput, UnknownTool
from core.tools.toolbox import Toolbox

log = structlog.get_logger()

_HALF = re.compile("[\ud800-\udfff]")
"""A half character, as models write one now and then: no UTF-8 has it, so no server could be sent it."""
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
"""What no database takes."""
_LONGEST_NAME = 64
"""In the log: a name that is unknown is the model's own text."""


async def call_tool(
    toolbox: Toolbox,
    name: str,
    arguments_text: str,
    context: ToolCallContext,
    *,
    among: Sequence[str],
    seconds: float,
    max_chars: int,
) -> ToolOutput:
    """Raises nothing but CancelledError. `arguments_text` is JSON as the model wrote it; `among` names the tools that
    it was shown: there are no others for it. `max_chars` (1000 or more) is the longest content."""
    began = monotonic()
    outcome = "cancelled"
    try:
        output, outcome = await _call(toolbox, name, arguments_text, context, among, seconds)
    finally:
        log.info(
            "tool called",
            action="tool.called",
            tool=name[:_LONGEST_NAME],
            seconds=round(monotonic() - began, 3),
            outcome=outcome,
            session_id=context.session_id,
            turn=context.turn,
        )
    return _fit(output, max_chars)


async def _call(
    toolbox: Toolbox, name: str, arguments_text: str, context: ToolCallContext, among: Sequence[str], seconds: float
) -> tuple[ToolOutput, str]:
    """With one word for what came of it."""
    limit = asyncio.timeout(seconds)
    tool: Tool | None = None
    try:
        tool = _find(toolbox, name, among, context)
        arguments = _parse(arguments_text)
        async with limit:
            output = _checked(await tool.call(arguments, context))
    except ToolError as error:
        return _failed(str(error.message)), error.code
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _failed(f"{name} failed: its own work was cancelled."), "failed"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of any kind: a tool is foreign code
        if isinstance(error, TimeoutError) and limit.expired() and tool is not None:
            tool.timed_out()
            return _failed(f"{name} did not answer within {seconds:g} seconds."), "time_out"
        return _failed(f"{name} failed: {_words(error)}"), "failed"
    return output, ToolError.code if output.is_error else "ok"


def _checked(output: ToolOutput) -> ToolOutput:
    """Raises TypeError: a Python function may return anything."""
    if not isinstance(output.content, str):
        raise TypeError(f"the content of its output is a {type(output.content).__name__}, and no text")
    return output


def _find(toolbox: Toolbox, name: str, among: Sequence[str], context: ToolCallContext) -> Tool:
    """Raises UnknownTool. What the key may use is looked at again: it may have changed since the turn was asked for."""
    usable = toolbox.allowed(among, context.key_name)
    tool = toolbox.tool(name) if name in usable else None
    if tool is None:
        raise UnknownTool(f"There is no tool {name!r}. There are: {', '.join(usable) or 'none'}.")
    return tool


def _parse(text: str) -> dict[str, Any]:
    """Raises BadArguments. Models leave out the arguments of a tool that has none."""
    try:
        value = json.loads(text.strip() or "{}", parse_constant=_refuse)
        written = json.dumps(value, ensure_ascii=False)
        if _HALF.search(written):
            value = json.loads(_HALF.sub("\ufffd", written))
    except RecursionError as error:
        raise BadArguments("The arguments are nested too deeply.") from error
    except ValueError as error:
        raise BadArguments(f"The arguments are no valid JSON: {error}. Send one JSON object.") from error
    if not isinstance(value, dict):
        raise BadArguments("The arguments have to be one JSON object.")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _failed(words: str) -> ToolOutput:
    return ToolOutput(words, is_error=True)


def _words(error: BaseException) -> str:
    """Its kind and message, even where it cannot say what it is."""
    return "".join(traceback.format_exception_only(error)).strip()


def _fit(output: ToolOutput, max_chars: int) -> ToolOutput:
    content, truncated = output.content, output.truncated
    if len(content) > max_chars:
        note = f"\n[cut off: this is the beginning of {len(content)} characters]"
        content, truncated = content[: max_chars - len(note)] + note, True
    return ToolOutput(_NOT_STORABLE.sub("\ufffd", content), output.is_error, truncated)
