"""Choose the scales, ranges and ticks of axes."""

from collections.abc import Iterator
from math import ceil, floor, log10
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.columns import is_number
from sweeps.report.labels import plot_text

LEAST_LOG_RATIO = 10.0
"""The least ratio of the greatest score to the least for which a score's axis is logarithmic."""

DENSE_TICKS_RATIO, DENSE_TICKS_RATIO_HORIZONTAL = 1e3, 50.0
"""The greatest such ratio for which an axis has room for ticks at 1, 2 and 5 of every decade."""

MOST_TICKS = 8
"""The greatest count for which an axis has a tick at every whole number."""

MOST_SPANS_TO_FLOOR = 4
"""The greatest distance between the score of real images and the others, in units of their range."""

ABSENT = "-"


def floor_fits(floor: float, scores: pd.Series) -> bool:
    """Return whether an axis that includes the score of real images still separates the other scores."""
    reach = MOST_SPANS_TO_FLOOR * (scores.max() - scores.min())
    return bool(scores.min() - reach <= floor <= scores.max() + reach)


def axis_range(values: pd.Series, *, log: bool) -> list[float] | None:
    """Return the ends of an axis, with a margin; None unless there are two different values."""
    places = np.log10(values.dropna()) if log else values.dropna()
    if places.nunique() < 2:
        return None
    room = 0.05 * (places.max() - places.min())
    return [places.min() - room, places.max() + room]


def count_tick_step(n: int) -> int | None:
    """Return the distance of ticks on an axis of counts up to n; None leaves the choice to plotly.

    For small counts, plotly would choose fractions.
    """
    return 1 if n <= MOST_TICKS else None


def needs_log_axis(scores: pd.Series) -> bool:
    """Return whether scores are positive and span at least a decade."""
    known = scores.dropna()
    return len(known) > 0 and known.min() > 0 and bool(known.max() / known.min() >= LEAST_LOG_RATIO)


def axis_scale(values: pd.Series, *, log: bool, span: float = DENSE_TICKS_RATIO) -> dict[str, Any]:
    """Return plotly's settings of a linear axis, or of a logarithmic one with as many ticks as fit."""
    if not log:
        return {"type": "linear"}
    return {"type": "log", "tickformat": "~g", "dtick": "D2" if values.max() / values.min() < span else 1}


def horizontal_axis_scale(values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return :func:`axis_scale` for a horizontal axis, which has room for fewer ticks."""
    return axis_scale(values, log=log, span=DENSE_TICKS_RATIO_HORIZONTAL)


def axis_positions(values: pd.Series, *, log: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the positions and ticks of numbers on an axis of parallel coordinates.

    Plotly draws these axes on linear scales only; on a logarithmic scale, positions are logarithms.
    """
    numbers = values.to_numpy(dtype=float)
    if not log:
        return numbers, {}
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    texts = {low: "", high: ""} | {tick: f"{tick:g}" for tick in _round_numbers(low, high)}
    ticks = sorted(texts)
    return np.log10(numbers), {"tickvals": np.log10(ticks), "ticktext": [texts[tick] for tick in ticks]}


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """Yield 1, 2 and 5 of each decade between two numbers; of more than three decades only 1."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for decade in decades:
        for digit in (1,) if len(decades) > 4 else (1, 2, 5):
            number = float(f"{digit}e{decade}")
            if low <= number <= high:
                yield number


def parallel_dimension(name: str, values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return one dimension of parallel coordinates; missing values lie at the foot of its axis."""
    if is_number(values.dropna()):
        places, axis = axis_positions(values, log=log)
    else:
        categories = sorted({plot_text(value) for value in values.dropna()})
        places = values.map(
            lambda value: np.nan if pd.isna(value) else categories.index(plot_text(value))
        ).to_numpy(dtype=float)
        axis = {"tickvals": [*range(len(categories))], "ticktext": categories}
    if np.isnan(places).any() and not np.isnan(places).all():
        places, axis = _with_foot(places, axis)
    return {"label": plot_text(name), "values": places, **axis}


def _with_foot(places: np.ndarray, axis: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the positions and ticks with an additional tick below, for missing values."""
    low, high = np.nanmin(places), np.nanmax(places)
    foot = low - max((high - low) * 0.2, 0.5)
    between = np.linspace(low, high, 4)
    ticks = axis or {"tickvals": between, "ticktext": [f"{value:.3g}" for value in between]}
    return np.where(np.isnan(places), foot, places), {
        "tickvals": [foot, *ticks["tickvals"]],
        "ticktext": [ABSENT, *ticks["ticktext"]],
    }
