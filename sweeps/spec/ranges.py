"""Translate other tools' ranges into the range to type here."""

from dataclasses import dataclass
from math import isfinite

from sweeps.spec.whole_numbers import as_whole

Number = float | str
"""A number, or the text of one as the user typed it."""


@dataclass(frozen=True)
class TypedRange:
    """A range as a user types it in a search-space file.

    Args:
        distribution: The name of the distribution.
        low: The text of ``min``.
        high: The text of ``max``.
        q: The text of ``q``, or None for a distribution without one.
    """

    distribution: str
    low: str
    high: str
    q: str | None = None

    def __str__(self) -> str:
        q = "" if self.q is None else f"q: {self.q}, "
        return f"distribution: {self.distribution}, {q}min: {self.low}, max: {self.high}"


def typed_range(
    low: Number, high: Number, *, is_whole: bool, is_log: bool, q: Number | None = None
) -> TypedRange | None:
    """Return the range to type here for a whole or a real number; None if there is no such range.

    ``q`` is left out if it does not fit the range.
    """
    try:
        ends = float(low), float(high)
        step = None if q is None else float(q)
    except (TypeError, ValueError):
        return None
    if not all(map(isfinite, ends)) or ends[0] >= ends[1] or (is_log and ends[0] <= 0):
        return None
    fits = step is not None and 0 < step <= (ends[1] - ends[0]) / 2
    if is_whole:
        fits = fits and step is not None and step.is_integer()
        step_here = q if fits and step != 1 else "1" if is_log else None
        uniform = "q_uniform" if step_here else "int_uniform"
    else:
        step_here = q if fits else None
        uniform = "q_uniform" if step_here else "uniform"
    logarithmic = "q_log_uniform_values" if step_here else "log_uniform_values"
    return TypedRange(
        logarithmic if is_log else uniform,
        text_of(low),
        text_of(high),
        None if step_here is None else text_of(step_here),
    )


def text_of(number: Number) -> str:
    """Return a number as a user types it.

    >>> text_of(1e-05), text_of("1e-5"), text_of(65536.0), text_of(0.0)
    ('1e-05', '1e-5', '65536', '0.0')
    """
    if isinstance(number, str):
        return number.strip()
    return str(as_whole(number)) if abs(number) >= 2 else str(number)


def rounded(number: float) -> float:
    """Return a computed number with four significant digits, or as a whole number from 1,000 on.

    >>> rounded(0.000100049), rounded(65535.7)
    (0.0001, 65536)
    """
    return round(number) if abs(number) >= 1000 else float(f"{number:.4g}")
