"""Add traces to figures: trials, learning curves, bands, seeds and means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sweeps.analysis.search_scores import score_of
from sweeps.analysis.verdict import number
from sweeps.record.status import FAILURES, Status
from sweeps.report.labels import configuration_of, hover_label, is_further_seed, plot_text, trial_kinds
from sweeps.report.style import BLUE, GREEN, GREY, LONE_POINT_PX, ORANGE, RED, STYLES, VIOLET

_X, _Y = "%{x:,.4~r}", "%{y:,.4~r}"
"""The coordinates of a point in its hover text: four digits, without an exponent."""

FAILED_SEED_SHARE = 0.05
"""The share of a plot's width for each failed training of a finalist."""


def add_trials(figure: go.Figure, frame: pd.DataFrame, x: str, metric: str) -> None:
    """Add a point per trial, a trace per kind of trial; failed trials are crosses at the upper edge.

    A line joins the further seeds of a configuration to its first trial.
    """
    kinds, scores = trial_kinds(frame), score_of(frame, metric)
    _add_seed_lines(figure, frame.assign(score=scores), x)
    for kind, style in STYLES.items():
        failed = kind in {status.words for status in FAILURES}
        chosen = frame[(kinds == kind) & (failed | scores.notna())]
        if chosen.empty:
            continue
        if failed:
            edge = pd.Series(0.98, index=chosen.index)
            add_points(figure, chosen, x, edge, f"{kind}: no score", style, "no score", yaxis="y2")
        else:
            add_points(figure, chosen, x, scores[chosen.index], kind, style, f"{plot_text(metric)} {_Y}")


def _add_seed_lines(figure: go.Figure, frame: pd.DataFrame, x: str) -> None:
    """Add a line from each further seed to the first trial of its configuration: one trace with gaps."""
    if not is_further_seed(frame).any():
        return
    firsts = frame.set_index("trial_id").reindex(configuration_of(frame)).set_index(frame.index)
    seeds = is_further_seed(frame) & frame["score"].notna() & firsts["score"].notna()
    ends = zip(frame.loc[seeds, [x, "score"]].values, firsts.loc[seeds, [x, "score"]].values, strict=True)
    points = [point for seed, first in ends for point in (first, seed, (None, None))]
    figure.add_scatter(
        x=[place for place, _ in points],
        y=[score for _, score in points],
        mode="lines",
        name="seeds of one configuration",
        line={"color": VIOLET, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )


def add_points(
    figure: go.Figure,
    trials: pd.DataFrame,
    x: str,
    y: pd.Series,
    name: str,
    style: dict[str, Any],
    score: str,
    yaxis: str = "y",
) -> None:
    """Add trials of one kind as one trace of points."""
    figure.add_scatter(
        x=trials[x].to_numpy(),
        y=y.to_numpy(),
        yaxis=yaxis,
        mode="markers",
        cliponaxis=False,
        name=name,
        marker={"size": 8, **style, "line": {"width": 1.5, "color": style["color"]}},
        text=[
            f"{hover_label(row)}<br>{plot_text(x)} {plot_text(row[x])}" for row in trials.to_dict("records")
        ],
        hovertemplate=f"%{{text}}<br>{score}<extra></extra>",
    )


def add_seeds(figure: go.Figure, scored: pd.DataFrame, metric: str) -> None:
    """Add the trainings of a confirmation as one trace, with a line per seed."""
    gap = pd.DataFrame({"place": [np.nan], metric: [np.nan], "trial_id": [""], "seed": [""]})
    seeds = [pd.concat([rows[[*gap]].astype(object), gap]) for _, rows in scored.groupby("seed")]
    joined = pd.concat(seeds or [gap])
    figure.add_scatter(
        x=joined[metric].to_numpy(dtype=float),
        y=joined["place"].to_numpy(dtype=float),
        mode="lines+markers",
        name="training (a line: one seed)",
        line={"color": GREY, "width": 1},
        marker={"color": BLUE, "size": 7},
        text=[f"{plot_text(row.trial_id)}<br>seed {row.seed}" for row in joined.itertuples()],
        hovertemplate=f"%{{text}}<br>{plot_text(metric)} {_X}<extra></extra>",
    )


def add_means(figure: go.Figure, ranked: pd.DataFrame, metric: str) -> None:
    """Add the mean over seeds of each finalist, with its 95 % interval."""
    means = ranked["mean"].to_numpy(dtype=float)
    figure.add_scatter(
        x=means,
        y=np.arange(len(ranked)) + 0.25,
        mode="markers",
        name="mean, 95\u00a0% interval",
        marker={"color": GREEN, "size": 10, "symbol": "diamond"},
        error_x={
            "array": ranked["mean_high"].to_numpy(dtype=float) - means,
            "arrayminus": means - ranked["mean_low"].to_numpy(dtype=float),
            "color": GREEN,
            "thickness": 2,
            "width": 5,
        },
        text=[plot_text(name) for name in ranked["trial_id"]],
        hovertemplate=f"%{{text}}<br>mean {plot_text(metric)} {_X}<extra></extra>",
    )


def add_failed_seeds(figure: go.Figure, failed: pd.DataFrame) -> None:
    """Add the failed trainings of a confirmation as crosses in a strip at the right edge."""
    if failed.empty:
        return
    places = failed.groupby("of").cumcount().to_numpy()
    strip = min(FAILED_SEED_SHARE * (places.max() + 1), 0.4)
    figure.update_layout(
        xaxis={"domain": [0, 1 - strip]},
        xaxis2={"domain": [1 - strip, 1], "range": [-0.5, places.max() + 0.5], "visible": False},
    )
    figure.add_scatter(
        x=places,
        y=failed["place"].to_numpy(),
        xaxis="x2",
        mode="markers",
        name="no score",
        marker={"color": RED, "size": 9, "symbol": "x"},
        text=[f"{hover_label(row)}<br>{Status(row['status']).words}" for row in failed.to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
    )


def add_floor(figure: go.Figure, floor: float, shown: pd.Series, n_rows: int) -> None:
    """Add the score of real images to a confirmation: a line across its rows, or a note at the edge.

    Args:
        figure: The figure.
        floor: The score of real images; NaN if it is unknown.
        shown: The numbers that the axis includes.
        n_rows: The number of finalists.
    """
    if pd.isna(floor) or shown.dropna().empty:
        return
    if not shown.min() <= floor <= shown.max():
        _note_floor(figure, floor, is_below=bool(floor < shown.min()))
        return
    figure.add_scatter(
        x=[floor] * 2,
        y=[-0.6, n_rows - 0.4],
        mode="lines",
        name=f"real images: {number(floor)}",
        line={"color": ORANGE, "width": 2, "dash": "dash"},
        hovertemplate=f"real images {_X}<extra></extra>",
    )


def _note_floor(figure: go.Figure, floor: float, *, is_below: bool) -> None:
    """Write the score of real images at the edge of the axis behind which it lies."""
    words = f"real images: {number(floor)}, outside the axis"
    edge = {"x": 0, "xanchor": "left", "text": f"\u2190 {words}"}
    if not is_below:
        edge = {"x": 1, "xanchor": "right", "text": f"{words} \u2192"}
    figure.add_annotation(
        **edge, xref="x domain", y=1, yref="y domain", yanchor="top", showarrow=False, font={"size": 12}
    )


def add_curves(
    figure: go.Figure,
    curves: Sequence[pd.DataFrame],
    metric: str,
    name: str,
    style: dict[str, Any],
    width: float = 1.5,
) -> None:
    """Add the learning curves of one kind of trial as one trace, with gaps between them."""
    gap = pd.DataFrame({"trial_id": [""], "step": [np.nan], metric: [np.nan], "is_alone": [False]})
    parts = [curve.assign(is_alone=len(curve) == 1)[[*gap.columns]] for curve in curves]
    joined = pd.concat([part for curve in parts for part in (curve, gap)][:-1])
    faded = name in {Status.PRUNED.words, Status.INTERRUPTED.words}
    figure.add_scatter(
        x=joined["step"].to_numpy(dtype=float),
        y=joined[metric].to_numpy(dtype=float),
        mode="lines+markers",
        marker={"size": [LONE_POINT_PX if is_alone else 0 for is_alone in joined["is_alone"]]},
        name=name,
        opacity=0.45 if faded else 1.0,
        line={
            "color": style["color"],
            "width": width,
            "dash": "dot" if style.get("symbol") == "x" else "solid",
        },
        text=joined["trial_id"].tolist(),
        hovertemplate=f"%{{text}}<br>step %{{x}}<br>{plot_text(metric)} {_Y}<extra></extra>",
    )


def add_band(figure: go.Figure, expected: pd.DataFrame, name: str, color: str, dash: str) -> None:
    """Add the expected best of k trials as a line in a band of the middle 80 %."""
    k = expected["trials"].to_numpy()
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    figure.add_scatter(
        x=np.concatenate([k, k[::-1]]),
        y=np.concatenate([expected["high"], expected["low"][::-1]]),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.13)",
        line={"width": 0},
        mode="lines",
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=k,
        y=expected["mean"].to_numpy(),
        mode="lines+markers" if len(k) == 1 else "lines",
        name=name,
        legendgroup=name,
        line={"color": color, "width": 2, "dash": dash},
        hovertemplate=f"{name}<br>%{{x}} trials<br>{_Y}<extra></extra>",
    )
