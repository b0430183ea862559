"""Liquid's filters of numbers: floating point as in JavaScript, where what is no number counts as 0."""

from collections.abc import Callable, Mapping
from math import ceil, floor, inf, isfinite, isnan, nan
from sys import float_info
from typing import Any

from model.mapping import javascript as js
from model.mapping.liquid.values import filter_of, plain


def _number(value: Any) -> float:
    number = js.to_number(plain(value))
    return 0.0 if isnan(number) else number


def _computed(function: Callable[..., float]) -> Callable[..., float]:
    """Make a filter of a function of numbers."""
    return filter_of(function, _number, _number)


def _whole(rounding: Callable[[float], int]) -> Callable[..., float]:
    return lambda value: float(rounding(value)) if isfinite(value) else value


def _divided_by(value: float, divisor: float = nan, whole: float = 0.0) -> float:
    quotient = js.divided(value, divisor)
    return float(floor(quotient)) if whole and isfinite(quotient) else quotient


def _modulo(value: float, divisor: float = nan) -> float:
    return js.remainder(js.remainder(value, divisor) + divisor, divisor)


def _round(value: float, digits: float = 0.0) -> float:
    try:
        factor = 10.0**digits
    except OverflowError:
        factor = inf
    # A little more than the value, so that 10.125 and 1.005, which is a little less in binary, round up.
    scaled = js.rounded(value * factor * (1 + float_info.epsilon))
    return js.divided(scaled, factor)


LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "abs": _computed(abs),
    "at_least": _computed(lambda *numbers: max(numbers)),
    "at_most": _computed(lambda *numbers: min(numbers)),
    "ceil": _computed(_whole(ceil)),
    "divided_by": _computed(_divided_by),
    "floor": _computed(_whole(floor)),
    "minus": _computed(lambda value, other=nan: value - other),
    "modulo": _computed(_modulo),
    "plus": _computed(lambda value, other=nan: value + other),
    "round": _computed(_round),
    "times": _computed(lambda value, other=nan: value * other),
}
