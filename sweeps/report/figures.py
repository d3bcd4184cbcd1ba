"""Choose the figures of the report page, with their captions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.search_scores import first_trainings, is_scored
from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage
from sweeps.words import counted

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_CURVES = 200
MOST_REPORTS_OF_A_CURVE = 100
"""The most learning curves, and the most reports of each: more would make the page too large."""

LEAST_TRIALS_FOR_IMPORTANCES = 3
DIMENSION_PX, LETTER_PX = 90, 8
"""The least width of an axis of parallel coordinates, and of a letter of its name."""


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

    @property
    def is_slice(self) -> bool:
        """Whether the figure shows the scores by one parameter."""
        return self.name.startswith("slice-")

    @property
    def least_width(self) -> int | None:
        """The least width in pixels at which the names of parallel axes do not overlap, else None."""
        if self.name != "parallel":
            return None
        names = [str(dimension.label) for dimension in self.figure.data[0].dimensions]
        return max(DIMENSION_PX, LETTER_PX * max(map(len, names))) * len(names) + 100


def plots_of(sweep: Sweep) -> list[Plot]:
    """Return the plots of a sweep's report: those with data."""
    from sweeps.report import plots

    trials, metric = sweep.trials, sweep.metric
    if sweep.history.empty:
        return []
    shown, history = _thinned(sweep)
    ranked = sweep.rank()
    best = str(ranked["trial_id"].iloc[0]) if ranked["rank"].notna().any() else None
    drawn = [
        Plot("history", plots.history(trials, metric), _history_caption(sweep)),
        Plot(
            "curves",
            plots.learning_curves(shown, history, metric, best=best),
            _curves_caption(trials, shown),
        ),
    ]
    if best is None:
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
    scored = first_trainings(trials[is_scored(trials, metric)])
    differing = [name for name in searched if scored[name].nunique(dropna=False) > 1]
    if len(differing) > 1:
        parallel = plots.parallel_coordinates(trials, searched, metric, logarithmic=log)
        drawn.append(Plot("parallel", parallel, _PARALLEL))
    if len(differing) > 1 and len(scored) >= max(LEAST_TRIALS_FOR_IMPORTANCES, len(searched)):
        importances = plots.importances(trials, searched, metric, logarithmic=log)
        drawn.append(Plot("importances", importances, _IMPORTANCES))
    drawn += [
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
_FURTHER_SEEDS = (
    " Triangles are further seeds of a configuration: they have the place of its first trial, a line joins"
    " them to it, and the best score so far leaves them out."
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
    thick = "The thick line is the best trial of the search."
    return f"The score of every report. {thick} Trials stopped early are faded.{some}"


def _history_caption(sweep: Sweep) -> str:
    return f"{_HISTORY}{_FURTHER_SEEDS if sweep.has_seeds else ''}"


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
    layout["margin"] = {"t": 48} | layout.get("margin", {})
    if any(trace["type"] == "parcoords" for trace in parts["data"]):
        layout["margin"]["t"] = 52
    return {"data": parts["data"], "layout": layout}
