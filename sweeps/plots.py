"""A sweep's plots as plotly figures, for the report page and for notebooks.

Each takes frames as :attr:`sweeps.Sweep.trials` and :attr:`sweeps.Sweep.history` are. Trials are compared by
the score that the search was told (``search_fid``), which rests on as many samples in all of them; one that
was stopped early counts with the score that it reached. One that diverged or failed has no score, whatever it
reported before: it is a cross at the edge.

>>> sweep = sweeps.load("lsgan")  # doctest: +SKIP
>>> plots.parallel_coordinates(sweep.trials, sweep.searched).show()  # doctest: +SKIP
"""

from collections.abc import Collection, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sweeps.analysis import (
    expected_best_of,
    is_number,
    is_scored,
    less_is_better,
    parameter_importances,
    score_of,
)
from sweeps.ranking import FAILURES
from sweeps.status import Status

DEFAULTS = "defaults"

BLUE, ORANGE, GREEN, RED, GREY = "#3b82f6", "#cf7520", "#159a76", "#d6455d", "#8b93a1"
COLORWAY = [BLUE, ORANGE, GREEN, RED, "#8b6fd8", "#9a8327", "#c2559d", "#4b8fa8"]
BEST_TO_WORST = [GREEN, "#5b93b0", "#9a8aa6", ORANGE]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

_LOOKS: dict[str, dict[str, Any]] = {
    Status.PRUNED.words: {"color": GREY, "symbol": "circle-open", "opacity": 0.75},
    Status.INTERRUPTED.words: {"color": GREY, "symbol": "square-open", "opacity": 0.75},
    Status.RUNNING.words: {"color": BLUE, "symbol": "circle-open", "opacity": 1.0},
    Status.COMPLETED.words: {"color": BLUE, "symbol": "circle", "opacity": 1.0},
    DEFAULTS: {"color": ORANGE, "symbol": "diamond", "opacity": 1.0},
    Status.DIVERGED.words: {"color": RED, "symbol": "x", "opacity": 1.0},
    Status.CRASHED.words: {"color": RED, "symbol": "x-open", "opacity": 1.0},
}
"""How each kind of trial is drawn, from back to front."""

SPAN_OF_A_LOG_AXIS = 10.0
"""How many times the least score the greatest must be for a logarithmic axis."""

MOST_FOR_MANY_TICKS, MOST_FOR_MANY_TICKS_ACROSS = 1e3, 50.0
"""The same of an upright and of a level logarithmic axis that has room for ticks at 1, 2 and 5."""

MOST_TICKS = 8

MOST_SPANS_TO_THE_FLOOR = 4
"""How far the score of real images may be from the others, in their spans, to be drawn beside them."""

WIDTH_OF_A_CROSS = 0.05
"""Of a plot's width, what a training without a score takes."""

POINT_PX = 6

ABSENT = "-"


def template(*, dark: bool = False) -> go.layout.Template:
    """Return the look of every figure: that of a light page, or of a dark one."""
    ink, faint, paper = ("#e4e7ec", "#333a45", "#171a20") if dark else ("#1f2430", "#e3e6eb", "#ffffff")
    axis = {
        "gridcolor": faint,
        "linecolor": faint,
        "zeroline": False,
        "automargin": True,
        "ticklabelstandoff": 4,
        "title": {"standoff": 10},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": COLORWAY,
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": paper, "bordercolor": GREY, "font": {"color": ink, "family": FONT}},
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"size": 12},
            },
            "title": {
                "x": 0,
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 14, "l": 16},
                "font": {"size": 16},
            },
            "margin": {"l": 56, "r": 16, "t": 76, "b": 48},
        },
        data={
            "parcoords": [
                {
                    "labelfont": {"color": ink},
                    "tickfont": {"color": ink},
                    "rangefont": {"color": "rgba(0,0,0,0)"},
                }
            ]
        },
    )


def history(trials: pd.DataFrame, metric: str = "fid") -> go.Figure:
    """Return each trial's score in the order of suggestions, and the best so far."""
    figure = _figure("Every trial, and the best so far", "trial", metric, score_of(trials, metric))
    frame = trials.assign(number=range(len(trials)))
    scored = frame[is_scored(trials, metric)]
    best = _best_so_far(score_of(scored, metric), metric)
    figure.add_scatter(
        x=scored["number"].to_numpy(),
        y=best.to_numpy(),
        mode="lines",
        name="best so far",
        line={"color": GREEN, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    _add_trials(figure, frame, "number", metric)
    figure.update_xaxes(dtick=_whole(len(frame)))
    return figure


def learning_curves(trials: pd.DataFrame, history: pd.DataFrame, metric: str = "fid") -> go.Figure:
    """Return the score of every report by its step, a line a trial; those that were stopped are faded."""
    values = history[metric] if metric in history else pd.Series(dtype=float)
    figure = _figure("Scores while training", "step", metric, values)
    reports = dict(list(history.groupby("trial_id", sort=False)))
    best = _best_trial(trials, metric)
    kinds = _kinds(trials)
    for kind, look in _LOOKS.items():
        curves = [
            reports[trial_id]
            for trial_id in trials.loc[kinds == kind, "trial_id"]
            if trial_id in reports and trial_id != best
        ]
        if curves:
            _add_curves(figure, curves, metric, kind, look)
    if best is not None:
        _add_curves(figure, [reports[best]], metric, "best", {"color": GREEN, "opacity": 1.0}, width=3.0)
    return figure


def parallel_coordinates(
    trials: pd.DataFrame,
    parameters: Sequence[str],
    metric: str = "fid",
    *,
    logarithmic: Collection[str] = (),
) -> go.Figure:
    """Return the trials with a score as lines across the parameters, coloured by the score.

    A parameter that a trial does not have is drawn at its axis' foot. Pull along an axis to choose trials.

    Args:
        trials: A row a trial.
        parameters: The columns to show.
        metric: The score.
        logarithmic: The parameters that have a logarithmic axis.
    """
    scored = trials[is_scored(trials, metric)]
    scores = score_of(scored, metric)
    position, ticks = _positions(scores, log=_is_wide(scores))
    differing = [name for name in parameters if scored[name].nunique(dropna=False) > 1]
    dimensions = [_dimension(name, scored[name], log=name in logarithmic) for name in differing]
    dimensions.append(_dimension(metric, scores, log=_is_wide(scores)))
    longest = max((len(str(text)) for text in dimensions[0].get("ticktext", [])), default=0)
    figure = go.Figure(layout={"template": template(), "title": {"text": "Parameters together"}})
    figure.update_layout(margin={"l": 40 + 6 * longest, "r": 24, "t": 84, "b": 24})
    figure.add_parcoords(
        dimensions=dimensions,
        line={
            "color": position,
            "colorscale": BEST_TO_WORST if less_is_better(metric) else BEST_TO_WORST[::-1],
            "showscale": len(scored) > 0,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": metric}, **ticks},
        },
        labelangle=0,
    )
    return figure


def importances(
    trials: pd.DataFrame,
    parameters: Sequence[str],
    metric: str = "fid",
    *,
    logarithmic: Collection[str] = (),
) -> go.Figure:
    """Return :func:`parameter_importances` as bars."""
    shares = parameter_importances(trials, parameters, metric, logarithmic=logarithmic).iloc[::-1]
    figure = _figure("What decides", "importance", "", pd.Series(dtype=float))
    figure.add_bar(
        x=shares.to_numpy(),
        y=shares.index.to_numpy(),
        orientation="h",
        marker={"color": BLUE},
        hovertemplate="%{y} %{x:.2f}<extra></extra>",
    )
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(type="category", showgrid=False)
    figure.update_layout(showlegend=False)
    return figure


def parameter_slice(
    trials: pd.DataFrame, parameter: str, metric: str = "fid", *, log: bool = False
) -> go.Figure:
    """Return each trial's score by one of its parameters; trials without the parameter are left out.

    Args:
        trials: A row a trial.
        parameter: The column.
        metric: The score.
        log: Whether the parameter's axis is logarithmic.
    """
    frame = trials[trials[parameter].notna()]
    figure = _figure(parameter, parameter, metric, score_of(trials, metric))
    values = frame[parameter]
    if is_number(values):
        figure.update_xaxes(_scale_across(values, log=log))
    else:
        frame = frame.assign(**{parameter: values.map(_label)})
        figure.update_xaxes(
            type="category", categoryorder="array", categoryarray=sorted(set(frame[parameter]))
        )
    _add_trials(figure, frame, parameter, metric)
    figure.update_layout(showlegend=False)
    return figure


def cost(trials: pd.DataFrame, metric: str = "fid", by: Literal["steps", "seconds"] = "steps") -> go.Figure:
    """Return each trial's score by what its training took, and the best score to be had for as much.

    Args:
        trials: A row a trial.
        metric: Its score.
        by: Training steps, or seconds from its start to its end.
    """
    column = {"steps": "step", "seconds": "seconds"}[by]
    frame = trials[trials[column].notna()]
    figure = _figure(f"Score for {by}", by, metric, score_of(trials, metric))
    by_cost = score_of(frame, metric).dropna().groupby(frame[column])
    best = _best_so_far(by_cost.min() if less_is_better(metric) else by_cost.max(), metric)
    figure.add_scatter(
        x=best.index.to_numpy(dtype=float),
        y=best.to_numpy(),
        mode="lines",
        name="best for as much",
        line={"color": GREEN, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    _add_trials(figure, frame, column, metric)
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(showlegend=False)
    return figure


def budget(trials: pd.DataFrame, by: str = "loss", metric: str = "fid") -> go.Figure:
    """Return the best score to be expected after k trials of each loss.

    A line is the mean of :func:`expected_best_of`, its band the middle 80 %.

    Args:
        trials: A row a trial.
        by: The parameter whose values are compared.
        metric: The score.
    """
    figure = _figure(f"Best to be expected by {by}", "trials", metric, score_of(trials, metric))
    for index, (value, group) in enumerate(trials.groupby(by)):
        if is_scored(group, metric).any():
            color, dash = COLORWAY[index % len(COLORWAY)], ("solid", "dash")[index // len(COLORWAY) % 2]
            _add_band(figure, expected_best_of(group, metric), _label(value), color, dash)
    figure.update_xaxes(rangemode="tozero", dtick=_whole(len(trials)))
    return figure


def confirmation(replicas: pd.DataFrame, ranked: pd.DataFrame, metric: str = "fid") -> go.Figure:
    """Return each configuration's scores over fresh seeds, the mean with its 95 % interval below them.

    A line joins the scores of one seed, as configurations are compared seed by seed. A training that failed
    has no score: it is a cross at the right edge. The score of real images is drawn where it is not so far
    off that the others could not be told from each other.

    Args:
        replicas: A row a training: :attr:`sweeps.Sweep.replicas`.
        ranked: A row a configuration, the best first: ``sweep.rank(stage="confirm")``.
        metric: The score.
    """
    places = dict(zip(ranked["trial_id"], range(len(ranked)), strict=True))
    trained = replicas[replicas["of"].isin(places)]
    trained = trained.assign(place=trained["of"].map(places)).sort_values(["seed", "place"])
    scored = trained[trained["status"] == Status.COMPLETED]
    shown = pd.concat([scored[metric], ranked["low"], ranked["high"]]).astype(float)
    floor = ranked["floor"].iloc[0] if len(ranked) else np.nan
    if _is_near(floor, shown):
        shown = pd.concat([shown, pd.Series([floor])])
    is_log = _is_wide(scored[metric])
    figure = go.Figure(layout={"template": template(), "title": {"text": "Scores on fresh seeds"}})
    figure.update_xaxes(title={"text": metric}, exponentformat="none", **_scale_across(shown, log=is_log))
    figure.update_xaxes(range=_range(shown, log=is_log))
    figure.update_yaxes(
        range=[len(ranked) - 0.4, -0.6],
        tickvals=[*places.values()],
        ticktext=[_configuration(row) for row in ranked.to_dict("records")],
        showgrid=False,
        fixedrange=True,
    )
    _add_seeds(figure, scored, metric)
    _add_means(figure, ranked, metric)
    _add_failed_seeds(figure, trained[trained["status"].isin(FAILURES)])
    _add_floor(figure, floor, len(ranked), is_shown=_is_near(floor, shown))
    return figure


def pareto(trials: pd.DataFrame, front: pd.DataFrame, metrics: tuple[str, str]) -> go.Figure:
    """Return the trials by two scores, and the front: those that no other one beats in both.

    The scores are as :meth:`sweeps.Sweep.rank` has them: final ones of trials that were trained to their
    end, which alone are compared where there are any.

    Args:
        trials: A row a trial.
        front: Those on the front, as ``sweep.pareto(*metrics)`` returns them.
        metrics: The scores of the horizontal and of the vertical axis.
    """
    x, y = metrics
    frame = trials[~trials["status"].isin(FAILURES)].dropna(subset=[x, y])
    figure = _figure(f"{x} against {y}", x, y, frame[y])
    figure.update_xaxes(_scale_across(frame[x], log=_is_wide(frame[x])))
    ordered = front.sort_values(x)
    figure.add_scatter(
        x=ordered[x].to_numpy(),
        y=ordered[y].to_numpy(),
        mode="lines+markers",
        name="Pareto front",
        line={"color": GREEN, "width": 2, "shape": "hv" if less_is_better(x) else "vh"},
        marker={"size": 15, "symbol": "circle-open", "line": {"width": 2}},
        hoverinfo="skip",
    )
    kinds = _kinds(frame)
    for kind, look in _LOOKS.items():
        chosen = frame[kinds == kind]
        if len(chosen):
            _add_points(figure, chosen, x, chosen[y], kind, look, f"{_label(y)} %{{y:.4g}}")
    return figure


def _figure(title: str, x: str, y: str, scores: pd.Series) -> go.Figure:
    """Return an empty figure, with an axis at whose upper edge stand the trials that have no score."""
    figure = go.Figure(layout={"template": template(), "title": {"text": title}})
    figure.update_xaxes(title={"text": x}, exponentformat="none")
    figure.update_yaxes(title={"text": y}, exponentformat="none", **_scale(scores, log=_is_wide(scores)))
    figure.update_layout(
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True, "type": "linear"}
    )
    return figure


def _add_trials(figure: go.Figure, frame: pd.DataFrame, x: str, metric: str) -> None:
    """Add a point a trial, those of a kind together."""
    kinds, scores = _kinds(frame), score_of(frame, metric)
    for kind, look in _LOOKS.items():
        failed = kind in {status.words for status in FAILURES}
        chosen = frame[(kinds == kind) & (failed | scores.notna())]
        if chosen.empty:
            continue
        if failed:
            edge = pd.Series(0.98, index=chosen.index)
            _add_points(figure, chosen, x, edge, f"{kind}: no score", look, "no score", yaxis="y2")
        else:
            _add_points(figure, chosen, x, scores[chosen.index], kind, look, f"{metric} %{{y:.4g}}")


def _add_points(
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
        hovertemplate=f"%{{text}}<br>{_label(x)} %{{x}}<br>{score}<extra></extra>",
    )


def _add_seeds(figure: go.Figure, scored: pd.DataFrame, metric: str) -> None:
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
        text=[f"{_label(row.trial_id)}<br>seed {row.seed}" for row in joined.itertuples()],
        hovertemplate=f"%{{text}}<br>{metric} %{{x:.4g}}<extra></extra>",
    )


def _add_means(figure: go.Figure, ranked: pd.DataFrame, metric: str) -> None:
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
        text=[_label(name) for name in ranked["trial_id"]],
        hovertemplate=f"%{{text}}<br>mean {metric} %{{x:.4g}}<extra></extra>",
    )


def _add_failed_seeds(figure: go.Figure, failed: pd.DataFrame) -> None:
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


def _add_floor(figure: go.Figure, floor: float, n_rows: int, *, is_shown: bool) -> None:
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


def _is_near(floor: float, scores: pd.Series) -> bool:
    """Return whether scores can still be told from each other on an axis that has room for the floor."""
    reach = MOST_SPANS_TO_THE_FLOOR * (scores.max() - scores.min())
    return bool(scores.min() - reach <= floor <= scores.max() + reach)


def _range(values: pd.Series, *, log: bool) -> list[float] | None:
    """Return an axis' ends, a little beyond all values; None where there are none, or all are the same."""
    places = np.log10(values.dropna()) if log else values.dropna()
    if places.nunique() < 2:
        return None
    room = 0.05 * (places.max() - places.min())
    return [places.min() - room, places.max() + room]


def _configuration(row: dict[Any, Any]) -> str:
    """Return an axis label: the trial, and below it what the seeds say of it."""
    verdict = f"{DEFAULTS}, {row['verdict']}" if row["is_baseline"] else row["verdict"]
    return f"{_label(row['trial_id'])}<br>{verdict}"


def _add_curves(
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


def _add_band(figure: go.Figure, expected: pd.DataFrame, name: str, color: str, dash: str) -> None:
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


def _best_trial(trials: pd.DataFrame, metric: str) -> str | None:
    """Return the best of the trials that were trained to their end, or of all where there is none."""
    scored = trials[is_scored(trials, metric)]
    completed = scored[scored["status"] == Status.COMPLETED]
    among = completed if len(completed) else scored
    if among.empty:
        return None
    place = among[metric].argmin() if less_is_better(metric) else among[metric].argmax()
    return str(among["trial_id"].iloc[place])


def _best_so_far(scores: pd.Series, metric: str) -> pd.Series:
    return scores.cummin() if less_is_better(metric) else scores.cummax()


def _kinds(trials: pd.DataFrame) -> pd.Series:
    """Return what each trial is drawn as."""
    words = trials["status"].map(lambda status: Status(status).words)
    return words.mask(trials["is_baseline"].astype(bool) & ~trials["status"].isin(FAILURES), DEFAULTS)


def _hover(row: dict[Any, Any]) -> str:
    reason = "" if pd.isna(row["reason"]) else f"<br>{_label(row['reason'])}"
    return f"{_label(row['trial_id'])}{reason}"


def _label(value: object, most: int = 80) -> str:
    """Return a value as text that plotly shows as it is: it reads some HTML."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= most else f"{text[:most]}...", quote=False)


def _whole(n: int) -> int | None:
    """Return the step between ticks of a count: of a small one, plotly would show fractions."""
    return 1 if n <= MOST_TICKS else None


def _is_wide(scores: pd.Series) -> bool:
    """Return whether scores are positive and span a decade or more."""
    known = scores.dropna()
    return len(known) > 0 and known.min() > 0 and bool(known.max() / known.min() >= SPAN_OF_A_LOG_AXIS)


def _scale(values: pd.Series, *, log: bool, span: float = MOST_FOR_MANY_TICKS) -> dict[str, Any]:
    """Return an axis' kind; a logarithmic one has ticks at 1, 2 and 5, over a longer span at 1 alone."""
    if not log:
        return {"type": "linear"}
    return {"type": "log", "tickformat": "~g", "dtick": "D2" if values.max() / values.min() < span else 1}


def _scale_across(values: pd.Series, *, log: bool) -> dict[str, Any]:
    return _scale(values, log=log, span=MOST_FOR_MANY_TICKS_ACROSS)


def _positions(values: pd.Series, *, log: bool) -> tuple[np.ndarray, dict[str, Any]]:
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


def _dimension(name: str, values: pd.Series, *, log: bool) -> dict[str, Any]:
    """Return an axis of parallel coordinates."""
    if is_number(values.dropna()):
        places, axis = _positions(values, log=log)
    else:
        words = sorted({_label(value) for value in values.dropna()})
        places = values.map(lambda value: np.nan if pd.isna(value) else words.index(_label(value))).to_numpy(
            dtype=float
        )
        axis = {"tickvals": [*range(len(words))], "ticktext": words}
    if np.isnan(places).any() and not np.isnan(places).all():
        places, axis = _with_a_foot(places, axis)
    return {"label": _label(name), "values": places, **axis}


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
