"""Find what to type for a distribution of W&B that is not supported here.

W&B documents what each one draws: ``log_uniform`` e to the power of a uniform number, ``inv_log_uniform`` 1
over that, ``inv_log_uniform_values`` a number from ``min`` to ``max`` with a uniform logarithm,
``log_normal`` e to the power of a normal number, and ``beta`` a number from 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Any

from gan_core.hyperparameters import Hyperparameters
from sweeps.spec.ranges import TypedRange, rounded, text_of, typed_range
from sweeps.spec.synonyms import name_here

EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")
"""The distributions with exponents of e as bounds."""

OTHERS = ("inv_log_uniform_values", "q_normal", "log_normal", "q_log_normal", "beta", "q_beta")

MOST_BELOW_1 = 0.999
"""The end of a beta distribution's range here: many parameters must be less than 1."""


@dataclass(frozen=True)
class _Wanted:
    """What a parameter is here.

    Args:
        is_whole: Whether it is a whole number.
        default: Its positive default, or None.
    """

    is_whole: bool
    default: float | None


def unsupported_distribution(name: str, parameter: Mapping[str, Any], known: Hyperparameters) -> str | None:
    """Return why the distribution of the parameter ``name`` is not supported, or None if it is.

    The message says what to type instead.
    """
    here = name_here(name, known)
    wanted = _Wanted(here in known and known[here].is_whole, _default(here, known))
    distribution = parameter.get("distribution")
    if distribution in EXPONENTS:
        return _with_values_as_bounds(wanted, parameter)
    if distribution not in OTHERS:
        return None
    reason = f"the distribution {distribution} is not supported"
    try:
        instead, remark = _replacement(wanted, parameter)
    except (TypeError, ValueError, OverflowError):
        instead = None
    if instead is None:
        is_log = "log" in distribution
        kind = typed_range(1, 2, is_whole=wanted.is_whole, is_log=is_log)
        return f"{reason}: type distribution: {kind and kind.distribution} with the range that you mean"
    return f"{reason}: type {instead}{remark}"


def _with_values_as_bounds(wanted: _Wanted, parameter: Mapping[str, Any]) -> str:
    """Return what to type for a distribution with exponents as bounds.

    Many files have values as the bounds of ``log_uniform``. The bounds are taken as what fits the parameter
    better: a range that contains the parameter's default, or else is nearer to it.
    """
    distribution = parameter["distribution"]
    reason, generic = f"the bounds of {distribution} are exponents", "log_uniform_values"
    whole = typed_range(1, 2, is_whole=wanted.is_whole, is_log=True)
    kind = (
        "q_log_uniform_values"
        if distribution == "q_log_uniform"
        else whole.distribution
        if whole
        else generic
    )
    try:
        low, high = sorted(_number(parameter[key]) for key in ("min", "max"))
        exponents = (-high, -low) if distribution == "inv_log_uniform" else (low, high)
        if _are_values(wanted, (low, high), exponents):
            reason += ", and these look like values"
            if low == 0:
                return f"{reason}: type distribution: {kind}, max: {text_of(high)}, and a min above 0"
            return f"{reason}: type {_in_full(wanted, (low, high), parameter, kind)}"
        computed = rounded(exp(exponents[0])), rounded(exp(exponents[1]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return f"{reason}: type distribution: {kind} with values as min and max"
    if computed[0] == computed[1]:
        return f"{reason}: type value: {text_of(computed[0])}"
    remark = ""
    if all(float(end).is_integer() for end in exponents) and _distance(wanted, exponents, 10)[0] == 0:
        of_ten = _in_full(wanted, (10.0 ** exponents[0], 10.0 ** exponents[1]), parameter, kind)
        remark = (
            "" if _distance(wanted, exponents)[0] == 0 else f"; or, if they are exponents of 10, {of_ten}"
        )
    return f"{reason}: type {_in_full(wanted, computed, parameter, kind)}{remark}"


def _in_full(wanted: _Wanted, ends: tuple[float, float], parameter: Mapping[str, Any], kind: str) -> str:
    """Return a logarithmic range; ``q`` is left out where the one in the file, or the default, fits."""
    given = parameter.get("q", 1) if kind.startswith("q_") else None
    found = typed_range(*ends, is_whole=wanted.is_whole, is_log=True, q=given)
    if found is None:
        return f"distribution: {kind} with values as min and max"
    q = f", q: {found.q}" if found.q is not None and found.q != text_of(given or 1) else ""
    return f"distribution: {found.distribution}, min: {found.low}, max: {found.high}{q}"


def _number(value: object) -> float:
    """Return a number, also one in quotes.

    Raises:
        TypeError: It is neither a number nor text.
        ValueError: It is text that is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is not a number")
    return float(value) if isinstance(value, str) else value


def _are_values(wanted: _Wanted, values: tuple[float, float], exponents: tuple[float, float]) -> bool:
    """Return whether the ends of a range are rather values of the parameter than exponents of e."""
    if values[0] < 0 or values[1] <= 0:
        return False
    if wanted.default is None:
        return True
    logs = log(values[0]) if values[0] else -inf, log(values[1])
    return _distance(wanted, logs) < _distance(wanted, exponents)


def _distance(wanted: _Wanted, exponents: tuple[float, float], base: float = exp(1)) -> tuple[float, float]:
    """Return how far the parameter's default is from a logarithmic range, and from the range's middle."""
    default = log(wanted.default or 1, base)
    low, high = exponents
    return max(low - default, default - high, 0.0), abs((low + high) / 2 - default)


def _default(name: str, known: Hyperparameters) -> float | None:
    """Return the positive default of a parameter, or None; that of lr for the discriminator's rate."""
    name = "lr" if name == "lr_d" else name
    default = known[name].default if name in known else None
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    return float(default) if is_number and default and default > 0 else None


def _replacement(wanted: _Wanted, parameter: Mapping[str, Any]) -> tuple[TypedRange | None, str]:
    """Return the range to type for a distribution, and the remark that explains it.

    Raises:
        TypeError: A number of the distribution is missing or not a number.
        ValueError: Likewise.
        OverflowError: A number is too large.
    """
    distribution, q = parameter["distribution"], None
    if distribution.startswith("q_"):
        q = _number(parameter.get("q", 1))
    if distribution == "inv_log_uniform_values":
        ends = _number(parameter.get("min")), _number(parameter.get("max"))
        return typed_range(*ends, is_whole=wanted.is_whole, is_log=True), ", which draws the same values"
    if distribution.endswith("beta"):
        a, b = _number(parameter.get("a", 1)), _number(parameter.get("b", 1))
        mean, deviation = a / (a + b), sqrt(a * b / (a + b + 1)) / (a + b)
        ends = max(mean - 2 * deviation, 0.0), min(mean + 2 * deviation, MOST_BELOW_1)
    else:
        mu, sigma = _number(parameter.get("mu", 0)), _number(parameter.get("sigma", 1))
        ends = mu - 2 * sigma, mu + 2 * sigma
    is_log = distribution.endswith("log_normal")
    if is_log:
        values = max(ends[0], mu / 10), ends[1]
        are_values = values[0] > 0 and _distance(wanted, (log(values[0]), log(values[1])))[0] == 0
        ends = values if are_values else (exp(ends[0]), exp(ends[1]))
    found = typed_range(rounded(ends[0]), rounded(ends[1]), is_whole=wanted.is_whole, is_log=is_log, q=q)
    return found, ", where most of its values lie"
