"""Axes: scales, ranges and ticks."""

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.columns import is_number

SPAN_OF_A_LOG_AXIS = 10.0
"""How many times the least score the greatest must be for a logarithmic axis."""

MOST_FOR_MANY_TICKS, MOST_FOR_MANY_TICKS_ACROSS = 1e3, 50.0
"""The same of an upright and of a level logarithmic axis that has room for ticks at 1, 2 and 5."""

MOST_TICKS = 8

MOST_SPANS_TO_THE_FLOOR = 4
"""How far the score of real images may be from the others, in their spans, to be drawn beside them."""

ABSENT = "-"


def is_near(floor: float, scores: pd.Series) -> bool:
    """Return whether scores can still be told from each other on an axis that has room for the floor."""
    reach = MOST_SPANS_TO_THE_FLOOR * (scores.max() - scores.min())
    return bool(scores.min() - reach <= floor <= scores.max() + reach)


def axis_range(values: pd.Series, *, log: bool) -> list[float] | None:
    """Return an axis' ends, a little beyond all values; None where there are none, or all are the same."""
    places = np.log10(values.dropna()) if log else values.dropna()
    if places.nunique() < 2:
        return None
    room = 0.05 * (places.max() - places.min())
    return [places.min() - room, places.max() + room]


def axis_label(value: object, most: int = 80) -> str:
    """Return a value as text that plotly shows as it is: it reads some HTML."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= most else f"{text[:most]}...", quote=False)


def are_whole(n: int) -> int | None:
    """Return the step between ticks of a count: of a small one, plotly would show fractions."""
    return 1 if n <= MOST_TICKS else None


def is_wide(scores: pd.Series) -> bool:
    """Return whether scores are positive and span a decade or more."""
    known = scores.dropna()
    return len(known) > 0 and known.min() > 0 and bool(known.max() / known.min() >= SPAN_OF_A_LOG_AXIS)


def axis_scale(values: pd.Series, *, log: bool, span: float = MOST_FOR_MANY_TICKS) -> dict[str, Any]:
    """Return an axis' kind; a logarithmic one has ticks at 1, 2 and 5, over a longer span at 1 alone."""
    if not log:
        return {"type": "linear"}
    return {"type": "log", "tickformat": "~g", "dtick": "D2" if values.max() / values.min() < span else 1}


def axis_scale_across(values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return the scale of a horizontal axis, which has room for fewer ticks."""
    return axis_scale(values, log=log, span=MOST_FOR_MANY_TICKS_ACROSS)


def axis_positions(values: pd.Series, *, log: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return where numbers lie on an axis that plotly has only linear, and its ticks, from end to end."""
    numbers = values.to_numpy(dtype=float)
    if not log:
        return numbers, {}
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    texts = {low: "", high: ""} | {tick: f"{tick:g}" for tick in _round_numbers(low, high)}
    ticks = sorted(texts)
    return np.log10(numbers), {"tickvals": np.log10(ticks), "ticktext": [texts[tick] for tick in ticks]}


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """Yield 1, 2 and 5 of each decade between two numbers, of many decades the 1 alone."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for decade in decades:
        for digit in (1,) if len(decades) > 4 else (1, 2, 5):
            number = float(f"{digit}e{decade}")
            if low <= number <= high:
                yield number


def parallel_dimension(name: str, values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return an axis of parallel coordinates."""
    if is_number(values.dropna()):
        places, axis = axis_positions(values, log=log)
    else:
        words = sorted({axis_label(value) for value in values.dropna()})
        places = values.map(
            lambda value: np.nan if pd.isna(value) else words.index(axis_label(value))
        ).to_numpy(dtype=float)
        axis = {"tickvals": [*range(len(words))], "ticktext": words}
    if np.isnan(places).any() and not np.isnan(places).all():
        places, axis = _with_a_foot(places, axis)
    return {"label": axis_label(name), "values": places, **axis}


def _with_a_foot(places: np.ndarray, axis: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return an axis with a place below all others, for the trials that have none."""
    low, high = np.nanmin(places), np.nanmax(places)
    foot = low - max((high - low) * 0.2, 0.5)
    between = np.linspace(low, high, 4)
    ticks = axis or {"tickvals": between, "ticktext": [f"{value:.3g}" for value in between]}
    return np.where(np.isnan(places), foot, places), {
        "tickvals": [foot, *ticks["tickvals"]],
        "ticktext": [ABSENT, *ticks["ticktext"]],
    }
