"""Choose the figures of the report page, with their captions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage
from sweeps.words import counted

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_CURVES = 200
MOST_REPORTS_OF_A_CURVE = 100
"""The most learning curves, and the most reports of each: more would make the page too large."""


@dataclass(frozen=True)
class Plot:
    """A figure of the report.

    Args:
        name: The name of its PNG, and of its element on the page.
        figure: The figure, with its title.
        caption: How to read it.
    """

    name: str
    figure: "go.Figure"
    caption: str


def plots_of(sweep: Sweep) -> list[Plot]:
    """Return the plots of a sweep's report: those with data."""
    from sweeps.report import plots

    trials, metric = sweep.trials, sweep.metric
    if sweep.history.empty:
        return []
    shown, history = _thinned(sweep)
    drawn = [
        Plot("history", plots.history(trials, metric), _HISTORY),
        Plot("curves", plots.learning_curves(shown, history, metric), _curves_caption(trials, shown)),
    ]
    if not sweep.rank()["rank"].notna().any():
        return drawn
    if len(sweep.replicas):
        ranked = sweep.rank(stage=Stage.CONFIRM)
        drawn.insert(0, Plot("confirmation", plots.confirmation(sweep.replicas, ranked, metric), _SEEDS))
    return [*drawn, *_comparisons(sweep)]


def _comparisons(sweep: Sweep) -> list[Plot]:
    """Return the plots that need trials with scores."""
    from sweeps.report import plots

    trials, metric, searched, log = sweep.trials, sweep.metric, sweep.searched, sweep.logarithmic
    drawn = []
    if "loss" in searched:
        drawn.append(Plot("budget", plots.budget(trials, "loss", metric), _BUDGET))
    drawn += [
        Plot(f"pareto-{x}-{y}", plots.pareto(trials, sweep.pareto(x, y), (x, y)), _PARETO)
        for x, y in combinations(sweep.metrics, 2)
    ]
    drawn += [
        Plot("parallel", plots.parallel_coordinates(trials, searched, metric, logarithmic=log), _PARALLEL),
        Plot("importances", plots.importances(trials, searched, metric, logarithmic=log), _IMPORTANCES),
        Plot("cost-steps", plots.cost(trials, metric, "steps"), _COST),
        Plot("cost-seconds", plots.cost(trials, metric, "seconds"), _COST),
    ]
    return drawn + [
        Plot(f"slice-{name}", plots.parameter_slice(trials, name, metric, log=name in log), "")
        for name in searched
        if trials[name].nunique() > 1
    ]


_HISTORY = (
    "In the order of suggestions, each trial with its best score. Trials that diverged or failed have no"
    " score: they are crosses at the upper edge."
)
_PARALLEL = (
    "One line per trial with a score. Drag along an axis to select lines. A trial without the parameter"
    " crosses its axis at the foot (-)."
)
_IMPORTANCES = (
    "PED-ANOVA, as Optuna computes it: how much the best trials' values differ from those of all trials. With"
    " a few dozen trials, it is a rough guide."
)
_SEEDS = (
    "One dot per training. A line joins the trainings of one seed. Below"
    " them: the mean and its 95\u00a0% interval. Failed trainings are crosses at the right edge."
)
_PARETO = (
    "The Pareto front: the trials that no other trial dominates. The scores of trials stopped early rest on"
    " fewer samples: if any trial completed, only completed trials are compared."
)
_COST = "Each trial by its training cost. The line is the best score at each cost."
_BUDGET = (
    "The expected best score of k trials with the same loss, and the middle 80\u00a0%. A sampler that learns"
    " tries good regions more often. Trials stopped early count with their best score so far."
)


def _curves_caption(trials: pd.DataFrame, shown: pd.DataFrame) -> str:
    all_ = counted(len(trials), "trial")
    some = "" if len(shown) == len(trials) else f" The best {MOST_CURVES} of {all_}, and the defaults."
    return f"The score of every report. Trials stopped early are faded.{some}"


def _thinned(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trials with learning curves on the page, and an evenly spaced part of their reports."""
    best = sweep.rank(top=MOST_CURVES)
    chosen = set(best["trial_id"]) | set(sweep.trials.loc[sweep.trials["is_baseline"], "trial_id"])
    trials = sweep.trials[sweep.trials["trial_id"].isin(chosen)]
    history = sweep.history[sweep.history["trial_id"].isin(chosen)]
    reports = history.groupby("trial_id", sort=False)
    number_, last = reports.cumcount(), reports["trial_id"].transform("size") - 1
    every = last // MOST_REPORTS_OF_A_CURVE + 1
    return trials, history[(number_ % every == 0) | (number_ == last)]


def as_page_json(figure: "go.Figure") -> Mapping[str, Any]:
    """Return a figure without its title, which is a heading of the page, and without its template."""
    parts: dict[str, Any] = json.loads(figure.to_json() or "{}")
    layout = {key: value for key, value in parts["layout"].items() if key not in {"template", "title"}}
    if layout.get("showlegend") is False:
        layout["margin"] = {"l": 56, "r": 16, "t": 12, "b": 48}
    layout.setdefault("margin", {"t": 48})
    return {"data": parts["data"], "layout": layout}
