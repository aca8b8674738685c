"""The built-in tool `calculator`: an expression is checked, parsed and walked over, and never run as code.

What it costs is bounded before it is spent: the text by its length, its tree by its depth, every number by its digits.
"""

import ast
import operator
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from core.tools.base import ToolError
from core.tools.builtin import arithmetic
from core.tools.builtin.arithmetic import CONSTANTS, FUNCTIONS, Number

MAX_CHARS = 1000
MAX_DEPTH = 150
"""Of brackets, and of the tree: Python's parser and stack have room for more."""
_TOKEN = re.compile(
    r"""
    [ ]+
    | (?: [0-9]+ (?: \.[0-9]* )? | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? (?![\w.])  # a number, and nothing else behind it
    | [A-Za-z]\w*
    | \*\* | // | [-+*/%(),]
    """,
    re.VERBOSE | re.ASCII,
)
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: arithmetic.floor_divide,
    ast.Mod: operator.mod,
    ast.Pow: arithmetic.power,
}


def calculate(
    expression: Annotated[
        str, Field(max_length=MAX_CHARS, description="Such as 2 ** 10 / 3 or round(100 * sqrt(2), 1).")
    ],
) -> str:
    """Whole numbers and decimals are exact, what a function gives has 15 digits. Raises ToolError."""
    expression = expression.strip()
    _check(expression)
    try:
        tree = ast.parse(expression, mode="eval")
        return arithmetic.written(_Walk(expression).value(tree.body, 0))
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ToolError("This is no whole expression.") from error
    except ZeroDivisionError as error:
        raise ToolError("Division by zero.") from error
    except OverflowError as error:
        raise ToolError("A number becomes too large.") from error
    except ValueError as error:
        raise ToolError("The result is no real number.") from error


def _check(expression: str) -> None:
    """Raises ToolError for what the language has not got; so Python's parser sees nothing that it could choke on."""
    position = depth = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            hint = "; a power is written **" if expression[position] == "^" else ""
            raise ToolError(f"{expression[position]!r} at character {position + 1} cannot be read{hint}.")
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise ToolError(f"More than {MAX_DEPTH} brackets are in one another.")
        position = token.end()


class _Walk:
    def __init__(self, source: str) -> None:
        self._source = source

    def value(self, node: ast.expr, depth: int) -> Number:
        """Raises ToolError, and what arithmetic raises."""
        if depth > MAX_DEPTH:
            raise ToolError(f"More than {MAX_DEPTH} operations are in one another.")
        match node:
            case ast.Constant() if type(node.value) in (int, float):
                return arithmetic.number(self._source[node.col_offset : node.end_col_offset])
            case ast.Name(id=name) if name in CONSTANTS:
                return CONSTANTS[name]
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand, depth + 1)
            case ast.BinOp(left, sign, right) if type(sign) in _BINARY:
                operate = _BINARY[type(sign)]
                return arithmetic.checked(operate(self.value(left, depth + 1), self.value(right, depth + 1)))
            case ast.Call(ast.Name(id=name), arguments, keywords=[]) if name in FUNCTIONS:
                return self._called(name, [self.value(argument, depth + 1) for argument in arguments])
            case ast.Name(id=name) | ast.Call(ast.Name(id=name)) if name not in FUNCTIONS:
                raise ToolError(f"There is no {name}. There are: {', '.join([*FUNCTIONS, *CONSTANTS])}.")
            case _:
                raise ToolError("There are only numbers, + - * / // % **, brackets, functions and constants.")

    def _called(self, name: str, values: list[Number]) -> Number:
        try:
            return arithmetic.checked(FUNCTIONS[name](*values))
        except TypeError as error:
            raise ToolError(f"{name} does not take {len(values)} values.") from error
