"""An answer as the messages that a model's service takes, tools and their results among it."""

from collections.abc import Iterable, Sequence

from core.model.parts import (
    Opaque,
    Part,
    Reasoning,
    StepBegun,
    StepEnded,
    Text,
    ToolArguments,
    ToolCall,
    ToolCallBegun,
    ToolResult,
    whole_tool_calls,
)
from core.providers.base import Message, Thought, ToolCallRequest


def answer_messages(parts: Sequence[Part]) -> list[Message]:
    """One of the assistant's for each step, and after it the results of its tools. A service refuses a call without its
    result, so such a one is left out. An answer without calls is understood without its reasoning."""
    results = {part.call_id: part for part in parts if isinstance(part, ToolResult)}
    messages: list[Message] = []
    for step in _steps(parts):
        text = "".join(part.text for part in step if isinstance(part, Text))
        calls = [call for call in whole_tool_calls(step) if call.id in results]
        if text or calls:
            requests = [ToolCallRequest(call.id, call.name, call.arguments) for call in calls]
            reasoning = "".join(part.text for part in step if isinstance(part, Reasoning)) if results else ""
            thoughts = _thoughts(step) if calls else []
            messages.append(Message("assistant", text, requests, thoughts=thoughts, reasoning=reasoning))
        messages += [Message("tool", results[call.id].content, tool_call_id=call.id) for call in calls]
    return messages


def _steps(parts: Sequence[Part]) -> Iterable[list[Part]]:
    """What each pass through the model has said, its calls counted from 0. A new one begins with what follows a tool's
    result."""
    step: list[Part] = []
    begun_before = 0
    has_results = False
    for part in parts:
        if step and (isinstance(part, StepBegun) or (has_results and not isinstance(part, ToolResult))):
            yield step
            begun_before += sum(isinstance(each, ToolCallBegun) for each in step)
            step, has_results = [], False
        match part:
            case ToolResult():
                has_results = True
            case StepBegun() | StepEnded():
                pass
            case ToolArguments(text, call):
                step.append(ToolArguments(text, call - begun_before))
            case _:
                step.append(part)
    yield step


def _thoughts(step: Sequence[Part]) -> list[Thought]:
    """What the service wants back with the calls: each belongs to the reasoning before it, or to the call."""
    thoughts: list[Thought] = []
    reasoning = call_id = ""
    for part in step:
        match part:
            case Reasoning(text):
                reasoning += text
            case ToolCall(id=call_id) | ToolCallBegun(id=call_id):
                reasoning = ""
            case Opaque(kind, data):
                thoughts.append(Thought(kind, data, reasoning or call_id))
                reasoning = ""
    return thoughts
