"""Numbers for the calculator: exact where they can be, and none is kept that has more than MAX_DIGITS digits."""

import math
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

Number = Fraction | float
"""Whole numbers and decimals are fractions; what a function gives has 15 digits, unless it is exact."""

MAX_DIGITS = 2000
"""Of a numerator and of a denominator; twice as many are made at most, so that any expression takes some 20 ms."""
_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_DECIMALS = Context(prec=28)
"""Digits with which a fraction that is not whole is written."""


def number(text: str) -> Number:
    """Of decimal digits, as they stand in an expression. Raises OverflowError, as all that follow."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:  # the exponent has too many digits
        raise OverflowError from error
    if value and abs(value.adjusted()) > MAX_DIGITS:  # before the digits of an exponent are made
        raise OverflowError
    return checked(Fraction(value))


def written(value: Number) -> str:
    if isinstance(value, float):
        return format(value, ".15g")
    if value.denominator == 1:
        return str(value.numerator)
    quotient = _DECIMALS.divide(Decimal(value.numerator), Decimal(value.denominator))
    return str(quotient.normalize(_DECIMALS))


def checked(value: Number) -> Number:
    if isinstance(value, float):
        is_fine = math.isfinite(value)
    else:
        is_fine = max(value.numerator.bit_length(), value.denominator.bit_length()) <= _MAX_BITS
    if not is_fine:
        raise OverflowError
    return value


def floor_divide(left: Number, right: Number) -> Number:
    return Fraction(left // right)


def power(base: Number, exponent: Number) -> Number:
    """Raises OverflowError before a number is made that has too many digits."""
    if isinstance(base, float) or isinstance(exponent, float) or exponent.denominator != 1:
        return math.pow(base, exponent)
    longest = max(abs(base.numerator), base.denominator)
    if longest > 1 and abs(exponent) * Fraction(math.log2(longest)) > _MAX_BITS:
        raise OverflowError
    return Fraction(base**exponent.numerator)


def square_root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
    return math.sqrt(value)


def rounded(value: Number, digits: Number = Fraction(0)) -> Number:
    """As Python does it: a half goes to the even neighbour."""
    places = int(digits)
    if digits != places:
        raise ValueError
    if abs(places) > MAX_DIGITS:
        raise OverflowError
    return value.__round__(places)


def logarithm(value: Number, base: Number = Fraction(10)) -> Number:
    if base == 10:
        return math.log10(_for_logarithm(value))
    if base == 2:
        return math.log2(_for_logarithm(value))
    return natural_logarithm(value) / natural_logarithm(base)


def natural_logarithm(value: Number) -> float:
    return math.log(_for_logarithm(value))


def _for_logarithm(value: Number) -> float | int | Fraction:
    """Python takes the logarithm of a whole number however long it is."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def least(first: Number, *others: Number) -> Number:
    for other in others:
        first = min(first, other)
    return first


def greatest(first: Number, *others: Number) -> Number:
    for other in others:
        first = max(first, other)
    return first


CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "round": rounded,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "min": least,
    "max": greatest,
    "sqrt": square_root,
    "exp": lambda value: math.exp(value),
    "ln": natural_logarithm,
    "log": logarithm,
    "sin": lambda value: math.sin(value),
    "cos": lambda value: math.cos(value),
    "tan": lambda value: math.tan(value),
}
"""They raise TypeError for another number of values, ValueError where the result is no real number."""
