"""The figures of the report page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.status import Stage
from sweeps.words import counted

if TYPE_CHECKING:
    import plotly.graph_objects as go
MOST_CURVES = 200
MOST_REPORTS_OF_A_CURVE = 100
"""What a page shows of a large sweep, to stay small: the best trials, and every second report or fewer."""

PNG_WIDTH, PNG_HEIGHT, PNG_SCALE = 960, 540, 2


@dataclass(frozen=True)
class Plot:
    """A figure and what it says.

    Args:
        name: Names its file, and its place on the page.
        figure: The figure, with its title.
        caption: How to read it.
    """

    name: str
    figure: "go.Figure"
    caption: str


def write_pngs(sweep: Sweep, folder: Path) -> list[Path]:
    """Write each plot as a PNG, and return the files.

    Raises:
        SweepError: Kaleido or a browser is not installed, or the folder cannot be written.
    """
    drawn = plots_of(sweep)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SweepError(f"{folder} cannot be written: {error.strerror}; choose another: --png DIR") from None
    files = [folder / f"{plot.name}.png" for plot in drawn]
    options = {"format": "png", "width": PNG_WIDTH, "height": PNG_HEIGHT, "scale": PNG_SCALE}
    _draw(
        [
            {"fig": plot.figure, "path": str(file), "opts": options}
            for plot, file in zip(drawn, files, strict=True)
        ]
    )
    return files


def _draw(jobs: list[dict[str, Any]]) -> None:
    """Draw figures with Kaleido in a headless Chrome or Chromium, which asks nothing of a network."""
    try:
        import kaleido
        from choreographer.errors import ChromeNotFoundError
    except ImportError:
        raise SweepError(
            "--png needs Kaleido, and Chrome or Chromium: pip install 'gan-sweep[png]', and"
            " apt-get install chromium or the like"
        ) from None
    try:
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except ChromeNotFoundError:
        raise SweepError(
            "--png needs Chrome or Chromium, and finds none: apt-get install chromium or the like,"
            " or name its file in BROWSER_PATH"
        ) from None


def plots_of(sweep: Sweep) -> list[Plot]:
    """Return the plots that a sweep's page shows: those that there is something to draw of."""
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
    if sweep.confirmed():
        ranked = sweep.rank(stage=Stage.CONFIRM)
        drawn.insert(0, Plot("confirmation", plots.confirmation(sweep.replicas, ranked, metric), _SEEDS))
    return [*drawn, *_comparisons(sweep)]


def _comparisons(sweep: Sweep) -> list[Plot]:
    """Return the plots that compare the scores of trials."""
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
    "In the order of suggestions, each with the best score of its reports. Trials that diverged or failed"
    " have no score: they are crosses at the upper edge."
)
_PARALLEL = (
    "One line a trial with a score. Pull along an axis to choose lines; one without the parameter is at the"
    " axis' foot (-)."
)
_IMPORTANCES = (
    "Optuna's PED-ANOVA: how far the best trials' values lie from all trials'. Of a few dozen trials it is a"
    " rough guide."
)
_SEEDS = (
    "A dot a training; a line joins those of one seed, which are compared with each other. Below them the"
    " mean and its 95\u00a0% interval. Trainings that failed are crosses at the right edge."
)
_PARETO = (
    "The front: the trials that no other one beats in both. Those that were stopped early rest on fewer"
    " samples, and are not compared where any was trained to its end."
)
_COST = "Each trial by what its training took; the line is the best to be had for as much."
_BUDGET = (
    "The best of k trials drawn from those of a loss, on average, and the middle 80 %. A sampler that learns"
    " tries good regions more often; trials that were stopped early count with what they had reached."
)


def _curves_caption(trials: pd.DataFrame, shown: pd.DataFrame) -> str:
    all_ = counted(len(trials), "trial")
    some = "" if len(shown) == len(trials) else f" The best {MOST_CURVES} of {all_}, and the defaults."
    return f"The score of every report. Those that were stopped early are faded.{some}"


def _thinned(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trials whose curves are shown, and their reports, of many only some, the last among them."""
    best = sweep.rank(top=MOST_CURVES)
    chosen = set(best["trial_id"]) | set(sweep.trials.loc[sweep.trials["is_baseline"], "trial_id"])
    trials = sweep.trials[sweep.trials["trial_id"].isin(chosen)]
    history = sweep.history[sweep.history["trial_id"].isin(chosen)]
    reports = history.groupby("trial_id", sort=False)
    number_, last = reports.cumcount(), reports["trial_id"].transform("size") - 1
    every = last // MOST_REPORTS_OF_A_CURVE + 1
    return trials, history[(number_ % every == 0) | (number_ == last)]


def as_page_json(figure: "go.Figure") -> Mapping[str, Any]:
    """Return a figure without its title, a heading on the page, and its look, which the page chooses."""
    parts: dict[str, Any] = json.loads(figure.to_json() or "{}")
    layout = {key: value for key, value in parts["layout"].items() if key not in {"template", "title"}}
    if layout.get("showlegend") is False:
        layout["margin"] = {"l": 56, "r": 16, "t": 12, "b": 48}
    layout.setdefault("margin", {"t": 48})
    return {"data": parts["data"], "layout": layout}
