"""A Python function as a model sees it: the JSON Schema of its parameters, and a call with a model's arguments."""

import inspect
import threading
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, to_json

from core.tools.base import BadArguments, ToolCallContext, ToolError, ToolOutput
from core.tools.threads import in_thread

MAX_FAULTS = 10
"""Of one call's arguments, that are told."""
MAX_THREADS = 64
"""Of one function: what hangs is left behind, and must not take all of the process's memory."""


class Function:
    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises TypeError, or whatever pydantic raises, for one that cannot be called by the names of its parameters,
        or with JSON values."""
        self._function = function
        self._threads = threading.Semaphore(MAX_THREADS)
        self._is_async = inspect.iscoroutinefunction(function)
        self._context_names: list[str] = []
        """The parameters that get a ToolCallContext; the model does not see them."""
        self._names: dict[str, str] = {}
        """Of the others, by that of the field: some names of parameters could be none of a field."""
        self._arguments = self._model()
        self.description = inspect.getdoc(function) or ""
        self.parameters = self._arguments.model_json_schema(schema_generator=_Schema)
        del self.parameters["title"]

    async def call(self, name: str, arguments: dict[str, Any], context: ToolCallContext) -> ToolOutput:
        """`name`: of the thread, where one is needed. Raises BadArguments, or what the function raises."""
        bound = self._bind(arguments, context)
        if self._is_async:
            result = await self._function(**bound)
        else:
            result = await self._call_in_thread(name, bound)
        if isinstance(result, ToolOutput):
            return result
        return ToolOutput(result if isinstance(result, str) else to_json(result).decode())

    async def _call_in_thread(self, name: str, bound: dict[str, Any]) -> Any:
        def call() -> Any:
            try:
                return self._function(**bound)
            finally:
                self._threads.release()

        if not self._threads.acquire(blocking=False):
            raise ToolError(f"{MAX_THREADS} of its calls have not returned; no more are made.")
        return await in_thread(name, call)

    def _bind(self, arguments: dict[str, Any], context: ToolCallContext) -> dict[str, Any]:
        try:
            valid = self._arguments.model_validate(arguments)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise BadArguments("\n".join(map(_told, faults[:MAX_FAULTS]))) from None
        values = {name: getattr(valid, field) for field, name in self._names.items()}
        return values | dict.fromkeys(self._context_names, context)

    def _model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self._function, eval_str=True).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"its parameter {name} cannot be given by its name")
            if parameter.annotation is ToolCallContext:
                self._context_names.append(name)
                continue
            kind = Any if parameter.annotation is parameter.empty else parameter.annotation
            default = ... if parameter.default is parameter.empty else parameter.default
            field = f"argument_{len(fields)}"
            fields[field] = (Annotated[kind, Field(alias=name)], default)
            self._names[field] = name
        return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


class _Schema(GenerateJsonSchema):
    """Without titles, which only repeat the names and cost tokens with every question."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _told(fault: ErrorDetails) -> str:
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
