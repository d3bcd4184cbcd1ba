"""Points, curves and bands of a figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sweeps.analysis.search_scores import score_of
from sweeps.record.status import FAILURES, Status
from sweeps.report.axes import axis_label
from sweeps.report.look import BLUE, DEFAULTS, GREEN, GREY, LOOKS, ORANGE, POINT_PX, RED

WIDTH_OF_A_CROSS = 0.05
"""Of a plot's width, what a training without a score takes."""


def add_trials(figure: go.Figure, frame: pd.DataFrame, x: str, metric: str) -> None:
    """Add a point a trial, those of a kind together."""
    kinds, scores = kinds_of(frame), score_of(frame, metric)
    for kind, look in LOOKS.items():
        failed = kind in {status.words for status in FAILURES}
        chosen = frame[(kinds == kind) & (failed | scores.notna())]
        if chosen.empty:
            continue
        if failed:
            edge = pd.Series(0.98, index=chosen.index)
            add_points(figure, chosen, x, edge, f"{kind}: no score", look, "no score", yaxis="y2")
        else:
            add_points(figure, chosen, x, scores[chosen.index], kind, look, f"{metric} %{{y:.4g}}")


def add_points(
    figure: go.Figure,
    trials: pd.DataFrame,
    x: str,
    y: pd.Series,
    name: str,
    look: dict[str, Any],
    score: str,
    yaxis: str = "y",
) -> None:
    """Add trials of one kind as points of one trace."""
    figure.add_scatter(
        x=trials[x].to_numpy(),
        y=y.to_numpy(),
        yaxis=yaxis,
        mode="markers",
        cliponaxis=False,
        name=name,
        marker={"size": 8, **look, "line": {"width": 1.5, "color": look["color"]}},
        text=[_hover(row) for row in trials[["trial_id", "reason"]].to_dict("records")],
        hovertemplate=f"%{{text}}<br>{axis_label(x)} %{{x}}<br>{score}<extra></extra>",
    )


def add_seeds(figure: go.Figure, scored: pd.DataFrame, metric: str) -> None:
    """Add the trainings of a confirmation, those of a seed joined, as one trace."""
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
        text=[f"{axis_label(row.trial_id)}<br>seed {row.seed}" for row in joined.itertuples()],
        hovertemplate=f"%{{text}}<br>{metric} %{{x:.4g}}<extra></extra>",
    )


def add_means(figure: go.Figure, ranked: pd.DataFrame, metric: str) -> None:
    """Add each finalist's mean over seeds with its 95 % interval."""
    means = ranked["mean"].to_numpy(dtype=float)
    figure.add_scatter(
        x=means,
        y=np.arange(len(ranked)) + 0.25,
        mode="markers",
        name="mean, 95\u00a0% interval",
        marker={"color": GREEN, "size": 10, "symbol": "diamond"},
        error_x={
            "array": ranked["high"].to_numpy(dtype=float) - means,
            "arrayminus": means - ranked["low"].to_numpy(dtype=float),
            "color": GREEN,
            "thickness": 2,
            "width": 5,
        },
        text=[axis_label(name) for name in ranked["trial_id"]],
        hovertemplate=f"%{{text}}<br>mean {metric} %{{x:.4g}}<extra></extra>",
    )


def add_failed_seeds(figure: go.Figure, failed: pd.DataFrame) -> None:
    """Add the trainings that have no score, in a strip of their own at the right edge."""
    if failed.empty:
        return
    places = failed.groupby("of").cumcount().to_numpy()
    strip = min(WIDTH_OF_A_CROSS * (places.max() + 1), 0.4)
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
        text=[f"{_hover(row)}<br>{Status(row['status']).words}" for row in failed.to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
    )


def add_floor(figure: go.Figure, floor: float, n_rows: int, *, is_shown: bool) -> None:
    """Add the score of real images as a line; where it is too far off, the legend alone tells it."""
    if pd.isna(floor):
        return
    figure.add_scatter(
        x=[floor if is_shown else None] * 2,
        y=[-0.6, n_rows - 0.4],
        mode="lines",
        name=f"real images: {floor:.4g}{'' if is_shown else ' (not in sight)'}",
        line={"color": ORANGE, "width": 2, "dash": "dash"},
        hovertemplate="real images %{x:.4g}<extra></extra>",
    )


def configuration_text(row: dict[Any, Any]) -> str:
    """Return an axis label: the trial, and below it what the seeds say of it."""
    verdict = f"{DEFAULTS}, {row['verdict']}" if row["is_baseline"] else row["verdict"]
    return f"{axis_label(row['trial_id'])}<br>{verdict}"


def add_curves(
    figure: go.Figure,
    curves: Sequence[pd.DataFrame],
    metric: str,
    name: str,
    look: dict[str, Any],
    width: float = 1.5,
) -> None:
    """Add the curves of one kind of trial as one trace, with a gap from one to the next."""
    gap = pd.DataFrame({"trial_id": [""], "step": [np.nan], metric: [np.nan], "is_alone": [False]})
    told = [curve.assign(is_alone=len(curve) == 1)[[*gap.columns]] for curve in curves]
    joined = pd.concat([part for curve in told for part in (curve, gap)][:-1])
    faded = name in {Status.PRUNED.words, Status.INTERRUPTED.words}
    figure.add_scatter(
        x=joined["step"].to_numpy(dtype=float),
        y=joined[metric].to_numpy(dtype=float),
        mode="lines+markers",
        marker={"size": [POINT_PX if is_alone else 0 for is_alone in joined["is_alone"]]},
        name=name,
        opacity=0.45 if faded else 1.0,
        line={
            "color": look["color"],
            "width": width,
            "dash": "dot" if look.get("symbol") == "x" else "solid",
        },
        text=joined["trial_id"].tolist(),
        hovertemplate=f"%{{text}}<br>step %{{x}}<br>{metric} %{{y:.4g}}<extra></extra>",
    )


def add_band(figure: go.Figure, expected: pd.DataFrame, name: str, color: str, dash: str) -> None:
    """Add the expected best of k trials as a line, with the band of its middle 80 %."""
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
        hovertemplate=f"{name}<br>%{{x}} trials<br>%{{y:.4g}}<extra></extra>",
    )


def kinds_of(trials: pd.DataFrame) -> pd.Series:
    """Return what each trial is drawn as."""
    words = trials["status"].map(lambda status: Status(status).words)
    return words.mask(trials["is_baseline"].astype(bool) & ~trials["status"].isin(FAILURES), DEFAULTS)


def _hover(row: dict[Any, Any]) -> str:
    reason = "" if pd.isna(row["reason"]) else f"<br>{axis_label(row['reason'])}"
    return f"{axis_label(row['trial_id'])}{reason}"
