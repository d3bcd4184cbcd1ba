"""Choose the scales, ranges and ticks of axes."""

from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.columns import is_number
from sweeps.analysis.search_scores import less_is_better
from sweeps.report.labels import plot_text
from sweeps.report.ticks import log_ticks, tick_texts

LEAST_LOG_RATIO = 4.0
"""The least ratio of the greatest number to the least for which an axis is logarithmic."""

MOST_LOG_TICKS, MOST_LOG_TICKS_HORIZONTAL = 9, 6
"""The greatest numbers of ticks on a logarithmic axis."""

MOST_TICKS = 8
"""The greatest count for which an axis has a tick at every whole number."""

MOST_SHARE_OF_FLOOR = 1 / 3
"""The greatest share of an axis that only the distance of the score of real images takes."""

MOST_LEVELS = 6
"""The greatest number of repeated values that an axis shows as categories."""

ABSENT = "-"


def floor_fits(floor: float, scores: pd.Series, *, log: bool) -> bool:
    """Return whether an axis that includes the score of real images leaves enough room for the others."""
    places = np.log10([floor, *scores.dropna()]) if log and floor > 0 else np.array([floor, *scores.dropna()])
    if (log and floor <= 0) or np.isnan(floor) or len(places) < 2:
        return False
    others, all_ = np.ptp(places[1:]), np.ptp(places)
    return bool(all_ - others <= MOST_SHARE_OF_FLOOR * all_)


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


def needs_log_axis(scores: pd.Series, metric: str) -> bool:
    """Return whether an axis of scores is logarithmic.

    Less is better for the metric, and the scores are positive and far apart: a linear axis would press the
    good ones together. For other metrics, a logarithmic axis would do that.
    """
    known = scores.dropna()
    return less_is_better(metric) and len(known) > 0 and known.min() > 0 and _are_far_apart(known)


def _are_far_apart(values: pd.Series) -> bool:
    return bool(values.max() / values.min() >= LEAST_LOG_RATIO)


def axis_scale(values: pd.Series, *, log: bool, most_ticks: int = MOST_LOG_TICKS) -> dict[str, Any]:
    """Return plotly's settings of a linear axis, or of a logarithmic one with as many ticks as fit.

    An axis of numbers that lie close together is linear: a logarithmic one would have no round numbers.
    """
    known = values.dropna()
    if not (log and len(known) and known.min() > 0 and _are_far_apart(known)):
        return {"type": "linear"}
    ticks = log_ticks(known.min(), known.max(), most_ticks)
    return {"type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": tick_texts(ticks)}


def horizontal_axis_scale(values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return :func:`axis_scale` for a horizontal axis, which has room for fewer ticks."""
    return axis_scale(values, log=log, most_ticks=MOST_LOG_TICKS_HORIZONTAL)


def axis_positions(values: pd.Series, *, log: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the positions and ticks of numbers on an axis of parallel coordinates.

    Plotly draws these axes on linear scales only; on a logarithmic scale, positions are logarithms.
    """
    numbers = values.to_numpy(dtype=float)
    if not log:
        return numbers, {}
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    inner = [tick for tick in log_ticks(low, high, MOST_LOG_TICKS) if low <= tick <= high]
    texts = {low: "", high: ""} | dict(zip(inner, tick_texts(inner), strict=True))
    ticks = sorted(texts)
    return np.log10(numbers), {"tickvals": np.log10(ticks), "ticktext": [texts[tick] for tick in ticks]}


def categories_of(values: pd.Series) -> list[Any] | None:
    """Return the values of a parameter in order if its axis shows them as categories, else None.

    Words and booleans are categories. Numbers are categories if there are few of them and most occur several
    times: they come from a list, and the numbers between them mean nothing.
    """
    known = values.dropna()
    if not is_number(known):
        return sorted(set(known), key=str)
    n_levels = known.nunique()
    return sorted(set(known)) if n_levels <= min(MOST_LEVELS, len(known) / 2) else None


def parallel_dimension(name: str, values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return one dimension of parallel coordinates; missing values lie at the foot of its axis."""
    categories = categories_of(values)
    if categories is None:
        places, axis = axis_positions(values, log=log)
    else:
        places = values.map({value: place for place, value in enumerate(categories)}).to_numpy(dtype=float)
        axis = {"tickvals": [*range(len(categories))], "ticktext": [plot_text(each) for each in categories]}
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
