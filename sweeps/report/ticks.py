"""Choose the ticks of logarithmic axes, and write their numbers."""

from collections.abc import Sequence
from math import ceil, floor, log10

DIGITS = ((1, 2, 5), (1, 3), (1,))
DIGITS_OF_A_SHORT_AXIS = (1, 2, 3, 5, 7)
"""The digits with a tick in each decade, the densest first."""

LEAST_TICKS = 4
"""The least number of ticks of an axis that has room for them."""

MARGIN = 0.06
"""The share of an axis beyond its least and its greatest number."""

LEAST_PLAIN = 1e-3
"""The least number that is written without an exponent."""

GREATEST_PLAIN = 1e6
"""The number from which on numbers are written with an exponent."""


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the ticks of a logarithmic axis: round numbers in ascending order, as many as fit.

    They are 1, 2 and 5 of each decade, or fewer digits, or powers of ten at a distance of several decades. An
    axis of less than a decade also has 3 and 7.

    Args:
        low: The least number on the axis, positive.
        high: The greatest number on the axis.
        most: The greatest number of ticks for which the axis has room.
    """
    margin = (high / low) ** MARGIN
    low, high = low / margin, high * margin
    for digits in DIGITS:
        ticks = _in_decades(low, high, digits, every=1)
        if len(ticks) < LEAST_TICKS and digits == DIGITS[0]:
            return _in_decades(low, high, DIGITS_OF_A_SHORT_AXIS, every=1)
        if len(ticks) <= most:
            return ticks
    return _in_decades(low, high, (1,), every=ceil(len(ticks) / most))


def _in_decades(low: float, high: float, digits: Sequence[int], every: int) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = [float(f"{digit}e{decade}") for decade in decades if decade % every == 0 for digit in digits]
    return [tick for tick in ticks if low <= tick <= high]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return the ticks of an axis as text.

    If the axis has a number below a thousandth, all its numbers below 1 have exponents, so that nobody counts
    zeros.

    >>> tick_texts([0.0005, 0.01, 2.0]), tick_texts([0.005, 2000.0])
    (['5e-4', '1e-2', '2'], ['0.005', '2,000'])
    """
    least = min((abs(tick) for tick in ticks if tick), default=1.0)
    smallest_plain = 1.0 if least < LEAST_PLAIN else LEAST_PLAIN
    return [_text(tick, smallest_plain) for tick in ticks]


def _text(tick: float, smallest_plain: float) -> str:
    if tick == 0 or smallest_plain <= abs(tick) < GREATEST_PLAIN:
        return f"{tick:,g}"
    digits, exponent = f"{tick:e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"
