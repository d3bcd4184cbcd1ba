"""Plot a sweep as plotly figures, for the report page and for notebooks.

The functions take the frames :attr:`sweeps.Sweep.trials` and :attr:`sweeps.Sweep.history`. Trials are
compared by the score that the search uses (``search_fid``), because it rests on equally many samples in all
trials. A trial that was stopped early counts with its best score so far. A trial that diverged or failed has
no score: it is a cross at the edge. A further seed of a configuration is a triangle, joined by a line to the
first trial of the configuration. It does not count for the best score.

>>> sweep = sweeps.load("lsgan")  # doctest: +SKIP
>>> plots.parallel_coordinates(sweep.trials, sweep.searched).show()  # doctest: +SKIP
"""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sweeps.analysis.best_of_k import expected_best_of
from sweeps.analysis.importances import parameter_importances
from sweeps.analysis.search_scores import first_trainings, is_scored, less_is_better, score_of
from sweeps.record.status import FAILURES, Status
from sweeps.report.axes import (
    axis_positions,
    axis_range,
    axis_scale,
    categories_of,
    count_tick_step,
    floor_fits,
    horizontal_axis_scale,
    needs_log_axis,
    parallel_dimension,
)
from sweeps.report.labels import configuration_label, configuration_of, plot_text, trial_kinds
from sweeps.report.style import BEST_TO_WORST, BLUE, COLORWAY, GREEN, STYLES, template
from sweeps.report.traces import (
    add_band,
    add_curves,
    add_failed_seeds,
    add_floor,
    add_means,
    add_points,
    add_seeds,
    add_trials,
)


def history(trials: pd.DataFrame, metric: str = "fid") -> go.Figure:
    """Plot the score of each trial in the order of suggestions, and the best score so far.

    The further seeds of a configuration have the place of its first trial.
    """
    figure = _figure("Score of every trial, and the best so far", "trial", metric, score_of(trials, metric))
    places = pd.Series(range(len(trials)), index=trials["trial_id"], dtype=float)
    own = pd.Series(places.to_numpy(), index=trials.index)
    frame = trials.assign(trial=configuration_of(trials).map(places).fillna(own).astype(int))
    scored = first_trainings(frame[is_scored(trials, metric)])
    best = _best_so_far(score_of(scored, metric), metric)
    figure.add_scatter(
        x=scored["trial"].to_numpy(),
        y=best.to_numpy(),
        mode="lines",
        name="best so far",
        line={"color": GREEN, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    add_trials(figure, frame, "trial", metric)
    figure.update_xaxes(dtick=count_tick_step(len(frame)))
    return figure


def learning_curves(
    trials: pd.DataFrame, history: pd.DataFrame, metric: str = "fid", *, best: str | None = None
) -> go.Figure:
    """Plot the score of every report by step, a line per trial; stopped trials are faded.

    A take-over of another trial's state breaks the line: the trial reports again from an earlier step.

    Args:
        trials: One row per trial.
        history: One row per report.
        metric: The metric of the scores.
        best: The trial to emphasise; by default the completed trial with the best score.
    """
    values = history[metric] if metric in history else pd.Series(dtype=float)
    figure = _figure("Learning curves", "step", metric, values)
    if history["step"].nunique() == 1:
        figure.update_xaxes(tickvals=history["step"].unique())
    curves_of: dict[str, list[pd.DataFrame]] = {}
    for (trial_id, _), reports in history.groupby(["trial_id", "lineage"], sort=False):
        curves_of.setdefault(str(trial_id), []).append(reports)
    best = best or _best_trial(trials, metric)
    kinds = trial_kinds(trials)
    for kind, style in STYLES.items():
        curves = [
            curve
            for trial_id in trials.loc[kinds == kind, "trial_id"]
            if trial_id != best
            for curve in curves_of.get(trial_id, [])
        ]
        if curves:
            add_curves(figure, curves, metric, kind, style)
    if best in curves_of:
        add_curves(figure, curves_of[best], metric, "best", {"color": GREEN, "opacity": 1.0}, width=3.0)
    return figure


def parallel_coordinates(
    trials: pd.DataFrame,
    parameters: Sequence[str],
    metric: str = "fid",
    *,
    logarithmic: Collection[str] = (),
) -> go.Figure:
    """Plot the trials with a score as lines across the parameters, coloured by the score.

    Further seeds of a configuration are left out. A trial without a parameter crosses the parameter's axis at
    its foot. Drag along an axis to select trials.

    Args:
        trials: One row per trial.
        parameters: The columns to plot.
        metric: The metric of the scores.
        logarithmic: The parameters with logarithmic axes.
    """
    scored = first_trainings(trials[is_scored(trials, metric)])
    scores = score_of(scored, metric)
    is_log = needs_log_axis(scores, metric)
    position, ticks = axis_positions(scores, log=is_log)
    differing = [name for name in parameters if scored[name].nunique(dropna=False) > 1]
    dimensions = [parallel_dimension(name, scored[name], log=name in logarithmic) for name in differing]
    dimensions.append(parallel_dimension(metric, scores, log=is_log))
    longest = max((len(str(text)) for text in dimensions[0].get("ticktext", [])), default=0)
    figure = go.Figure(layout={"template": template(), "title": {"text": "Parallel coordinates"}})
    left = max(40 + 7 * longest, 4 * len(str(dimensions[0]["label"])))
    figure.update_layout(margin={"l": left, "r": 24, "t": 84, "b": 24})
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
    """Plot :func:`sweeps.analysis.importances.parameter_importances` as bars."""
    shares = parameter_importances(trials, parameters, metric, logarithmic=logarithmic).iloc[::-1]
    figure = _figure("Parameter importances", "importance", "", pd.Series(dtype=float))
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
    """Plot the score of each trial by one parameter; trials without the parameter are left out.

    Args:
        trials: One row per trial.
        parameter: The parameter's column.
        metric: The metric of the scores.
        log: Whether the parameter's axis is logarithmic.
    """
    frame = trials[trials[parameter].notna()]
    figure = _figure(parameter, parameter, metric, score_of(trials, metric))
    values, categories = frame[parameter], categories_of(first_trainings(frame)[parameter])
    if categories is None:
        figure.update_xaxes(horizontal_axis_scale(values, log=log))
    else:
        frame = frame.assign(**{parameter: values.map(plot_text)})
        order = [plot_text(value) for value in categories]
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
    add_trials(figure, frame, parameter, metric)
    figure.update_layout(showlegend=False)
    return figure


def cost(trials: pd.DataFrame, metric: str = "fid", by: Literal["steps", "seconds"] = "steps") -> go.Figure:
    """Plot the score of each trial by its training cost, and the best score at each cost.

    Args:
        trials: One row per trial.
        metric: The metric of the scores.
        by: The cost: training steps, or seconds from start to end.
    """
    column = {"steps": "step", "seconds": "seconds"}[by]
    frame = trials[trials[column].notna()]
    title = {"steps": "training steps", "seconds": "training time (s)"}[by]
    figure = _figure(f"Score by {by}", title, metric, score_of(trials, metric))
    by_cost = score_of(first_trainings(frame), metric).dropna().groupby(frame[column])
    best = _best_so_far(by_cost.min() if less_is_better(metric) else by_cost.max(), metric)
    figure.add_scatter(
        x=best.index.to_numpy(dtype=float),
        y=best.to_numpy(),
        mode="lines",
        name="best at this cost",
        line={"color": GREEN, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    add_trials(figure, frame, column, metric)
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(showlegend=False)
    return figure


def budget(trials: pd.DataFrame, by: str = "loss", metric: str = "fid") -> go.Figure:
    """Plot the expected best score of k trials for each value of a parameter.

    A line is the mean of :func:`sweeps.analysis.best_of_k.expected_best_of`, its band the middle 80 %.

    Args:
        trials: One row per trial.
        by: The parameter; its values are compared.
        metric: The metric of the scores.
    """
    figure = _figure(f"Expected best by {by}", "trials", metric, score_of(trials, metric))
    for index, (value, group) in enumerate(trials.groupby(by)):
        if is_scored(group, metric).any():
            color, dash = COLORWAY[index % len(COLORWAY)], ("solid", "dash")[index // len(COLORWAY) % 2]
            add_band(figure, expected_best_of(group, metric), plot_text(value), color, dash)
    figure.update_xaxes(dtick=count_tick_step(len(trials)))
    return figure


def confirmation(replicas: pd.DataFrame, ranked: pd.DataFrame, metric: str = "fid") -> go.Figure:
    """Plot the scores of each finalist over fresh seeds, with the mean and its 95 % interval below them.

    A line joins the scores of one seed, because configurations are compared seed by seed. A training that
    failed has no score: it is a cross at the right edge. The score of real images is a line if the axis has
    room for it beside the other scores. Otherwise it is written at the edge behind which it lies.

    Args:
        replicas: One row per training: :attr:`sweeps.Sweep.replicas`.
        ranked: One row per finalist, the best first: ``sweep.rank(stage="confirm")``.
        metric: The metric of the scores.
    """
    places = dict(zip(ranked["trial_id"], range(len(ranked)), strict=True))
    trained = replicas[replicas["of"].isin(places)]
    trained = trained.assign(place=trained["of"].map(places)).sort_values(["seed", "place"])
    scored = trained[trained["status"] == Status.COMPLETED]
    shown = pd.concat([scored[metric], ranked["mean_low"], ranked["mean_high"]]).astype(float)
    floor = ranked["floor"].iloc[0] if len(ranked) else np.nan
    is_log = needs_log_axis(shown, metric)
    if floor_fits(floor, shown, log=is_log):
        shown = pd.concat([shown, pd.Series([floor])])
    figure = go.Figure(layout={"template": template(), "title": {"text": "Scores on fresh seeds"}})
    figure.update_xaxes(
        title={"text": metric}, exponentformat="none", **horizontal_axis_scale(shown, log=is_log)
    )
    figure.update_xaxes(range=axis_range(shown, log=is_log))
    figure.update_yaxes(
        range=[len(ranked) - 0.4, -0.6],
        tickvals=[*places.values()],
        ticktext=[configuration_label(row) for row in ranked.to_dict("records")],
        showgrid=False,
        fixedrange=True,
    )
    add_seeds(figure, scored, metric)
    add_means(figure, ranked, metric)
    add_failed_seeds(figure, trained[trained["status"].isin(FAILURES)])
    add_floor(figure, floor, shown, len(ranked))
    return figure


def pareto(trials: pd.DataFrame, front: pd.DataFrame, metrics: tuple[str, str]) -> go.Figure:
    """Plot the trials by two scores, and the Pareto front: the trials that no other trial dominates.

    Completed trials have their final scores. If there are any, they alone are on the front.

    Args:
        trials: One row per trial.
        front: The trials on the front: ``sweep.pareto(*metrics)``.
        metrics: The metrics of the horizontal and of the vertical axis.
    """
    x, y = metrics
    frame = trials[~trials["status"].isin(FAILURES)].dropna(subset=[x, y])
    figure = _figure(f"{x} against {y}", x, y, frame[y])
    figure.update_xaxes(horizontal_axis_scale(frame[x], log=needs_log_axis(frame[x], x)))
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
    kinds = trial_kinds(frame)
    for kind, style in STYLES.items():
        chosen = frame[kinds == kind]
        if len(chosen):
            add_points(figure, chosen, x, chosen[y], kind, style, f"{plot_text(y)} %{{y:,.4~r}}")
    return figure


def _figure(title: str, x: str, y: str, scores: pd.Series) -> go.Figure:
    """Return a figure without traces, with a second axis, from 0 to 1, for trials without a score."""
    figure = go.Figure(layout={"template": template(), "title": {"text": title}})
    figure.update_xaxes(title={"text": x}, exponentformat="none")
    figure.update_yaxes(
        title={"text": y}, exponentformat="none", **axis_scale(scores, log=needs_log_axis(scores, y))
    )
    figure.update_layout(
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True, "type": "linear"}
    )
    return figure


def _best_trial(trials: pd.DataFrame, metric: str) -> str | None:
    """Return the best completed trial or, without one, the best of all trials."""
    scored = first_trainings(trials[is_scored(trials, metric)])
    completed = scored[scored["status"] == Status.COMPLETED]
    among = completed if len(completed) else scored
    if among.empty:
        return None
    place = among[metric].argmin() if less_is_better(metric) else among[metric].argmax()
    return str(among["trial_id"].iloc[place])


def _best_so_far(scores: pd.Series, metric: str) -> pd.Series:
    return scores.cummin() if less_is_better(metric) else scores.cummax()
