"""How the demo provider uses the tools that it is offered: by what it finds in the question.

`What is 6 * 7?` asks the calculator, a mention of the time asks the clock, and a line such as `call search {"word":
"tea"}` any tool there is. A line `then` between such lines begins the next step.
"""

import json
import re
from collections.abc import Sequence

from core.model.parts import ToolCall
from core.providers.base import Request

QUOTED_CHARS = 500
"""Of a result, in the answer."""
_SCRIPTED = re.compile(r"^\s*call\s+([A-Za-z0-9_-]{1,64})[ \t]*(\{.*\})?[ \t]*$", re.MULTILINE)
_THEN = re.compile(r"^\s*then\s*$", re.MULTILINE)
_SUM = re.compile(r"[(\d][\d\s.+*/%()^-]*[-+*/%^][\d\s.+*/%()^-]*[\d)]")
_CLOCK = re.compile(r"\b(time|clock|date|today)\b", re.IGNORECASE)


def question_of(request: Request) -> str:
    return next((each.text() for each in reversed(request.messages) if each.role == "user"), "")


def calls_for(request: Request) -> list[ToolCall]:
    """Those of the step that is due; none where all have been made, or there are no tools."""
    offered = {str(tool.get("function", {}).get("name")) for tool in request.tools or []}
    if not offered:
        return []
    steps = [step for step in _steps(question_of(request), offered) if step]
    done = _steps_done(request)
    if done >= len(steps):
        return []
    return [ToolCall(f"call-{done + 1}-{number}", *call) for number, call in enumerate(steps[done], 1)]


def answer_with_results(request: Request) -> str | None:
    """None where no tool was called."""
    results = [message.text() for message in request.messages[_after_question(request) :] if message.role == "tool"]
    if not results:
        return None
    said = "\n".join(f"- {result[:QUOTED_CHARS]}" for result in results)
    return f"My tools have answered:\n\n{said}\n\nThat is all that the demo provider makes of it."


def _steps(question: str, offered: set[str]) -> Sequence[list[tuple[str, str]]]:
    """Names and arguments."""
    if _SCRIPTED.search(question):
        return [[(name, given or "{}") for name, given in _SCRIPTED.findall(part)] for part in _THEN.split(question)]
    calls = []
    found = _SUM.search(question)
    if found and "calculator" in offered:
        calls.append(("calculator", json.dumps({"expression": found[0].strip().replace("^", "**")})))
    if _CLOCK.search(question) and "current_time" in offered:
        calls.append(("current_time", "{}"))
    return [calls]


def _after_question(request: Request) -> int:
    return max((at for at, each in enumerate(request.messages) if each.role == "user"), default=-1) + 1


def _steps_done(request: Request) -> int:
    return sum(bool(each.tool_calls) for each in request.messages[_after_question(request) :])
