"""A sweep's story on one page: a file that opens without a network."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import combinations
from pathlib import Path
from time import localtime, strftime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweeps.contact_sheet import contact_sheet
from sweeps.errors import SweepError
from sweeps.ledger import report_file, standing
from sweeps.ranking import Sweep
from sweeps.replicas import WINNER
from sweeps.status import Stage, Status
from sweeps.verdict import number, verdict
from sweeps.words import counted, duration, results_option

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from sweeps.statistics import Scale

MOST_ROWS = 1000
MOST_CURVES = 200
MOST_REPORTS_OF_A_CURVE = 100
"""What a page shows of a large sweep, to stay small: the best trials, and every second report or fewer."""

MOST_REASONS = 20
LONGEST_TRACEBACK = 8000

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


def write_report(sweep: Sweep, file: Path | None = None) -> Path:
    """Write the page, also while the sweep runs, and return where: by default in the sweep's folder.

    Raises:
        SweepError: The file cannot be written.
    """
    target = file or report_file(sweep.folder)
    page, draft = render(sweep), target.with_name(f"{target.name}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        raise SweepError(
            f"{target} cannot be written: {error.strerror}; choose another: --out FILE"
        ) from None
    return target


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


def render(sweep: Sweep) -> str:
    """Return the page as HTML; names, reasons and tracebacks are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from plotly.offline import get_plotlyjs

    from sweeps.plots import template

    page = Environment(
        loader=PackageLoader("sweeps"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["number"] = number
    plots = plots_of(sweep)
    return page.get_template("report.html").render(
        sweep=sweep,
        facts=_facts(sweep),
        verdict=verdict(sweep),
        choices=_choices(sweep),
        confirmation=_confirmation(sweep),
        sheet=contact_sheet(sweep),
        labels=_labels(sweep),
        plots=plots,
        figures={plot.name: _for_the_page(plot.figure) for plot in plots},
        templates={
            "light": template().to_plotly_json(),
            "dark": template(dark=True).to_plotly_json(),
        },
        table=_table(sweep),
        failures=_failures(sweep),
        spec=spec_as_yaml(sweep.facts["spec"]),
        environment=sweep.facts.get("environment", {}),
        commands=_commands(sweep),
        plotly_js=get_plotlyjs(),
    )


def plots_of(sweep: Sweep) -> list[Plot]:
    """Return the plots that a sweep's page shows: those that there is something to draw of."""
    from sweeps import plots

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
    from sweeps import plots

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


def _for_the_page(figure: "go.Figure") -> Mapping[str, Any]:
    """Return a figure without its title, a heading on the page, and its look, which the page chooses."""
    parts: dict[str, Any] = json.loads(figure.to_json() or "{}")
    layout = {key: value for key, value in parts["layout"].items() if key not in {"template", "title"}}
    if layout.get("showlegend") is False:
        layout["margin"] = {"l": 56, "r": 16, "t": 12, "b": 48}
    layout.setdefault("margin", {"t": 48})
    return {"data": parts["data"], "layout": layout}


def _facts(sweep: Sweep) -> list[str]:
    """Return what is said of a sweep under its name."""
    spec, summary = sweep.facts["spec"], sweep.summary()
    told = [counted(len(sweep.trials), "trial")]
    told += [
        f"{count} {Status(status).words}" for status, count in summary["trials"].items() if len(sweep.trials)
    ]
    if "dataset" in spec:
        told.append(f"{spec['dataset']} by {spec.get('method', 'tpe')}")
    if summary["seconds"] is not None:
        told.append(f"took {duration(summary['seconds'])}")
    moment = sweep.facts.get("ended_at") or sweep.facts.get("started_at")
    is_running = summary["status"] == Status.RUNNING
    if moment:
        said = "running since" if is_running else "ended"
        told.append(f"{said} {strftime('%Y-%m-%d %H:%M', localtime(moment))}")
    return told


def _labels(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """Return what the contact sheet says of each trial."""
    confirmed = sweep.confirmed()
    winner = confirmed and confirmed.winner
    return {
        row["trial_id"]: {
            "score": row[sweep.metric],
            "status": "defaults" if row["is_baseline"] else Status(row["status"]).words,
            "is_winner": row["trial_id"] == winner,
        }
        for row in sweep.trials.to_dict("records")
    }


def _choices(sweep: Sweep) -> list[tuple[str, str, str]]:
    """Return each searched parameter with its value in the best configuration and in the defaults."""
    best = _best(sweep)
    if best is None:
        return []
    baseline = sweep.summary()["baseline"]
    chosen = sweep.params_of(best)
    defaults = sweep.params_of(baseline["trial_id"]) if baseline else {}
    return [(name, cell(chosen.get(name)), cell(defaults.get(name))) for name in sweep.searched]


def _best(sweep: Sweep) -> str | None:
    """Return the trial whose configuration is the best: the confirmation's winner, else the search's best."""
    confirmed, best = sweep.confirmed(), sweep.summary()["best"]
    if confirmed and confirmed.winner:
        return confirmed.winner
    return None if best is None else str(best["trial_id"])


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None or pd.isna(value):  # type: ignore[call-overload] # a cell is a scalar
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Confirmation:
    """What the fresh seeds say, the winner first.

    Args:
        conclusion: What is decided, and why it stopped.
        mean: The heading of the means.
        samples: How many images each score rests on; None where there is none yet.
        has_failures: Whether any training failed.
        rows: Of each configuration, the cells.
    """

    conclusion: str
    mean: str
    samples: int | None
    has_failures: bool
    rows: list[dict[str, str]]


def _confirmation(sweep: Sweep) -> Confirmation | None:
    confirmed = sweep.confirmed()
    if confirmed is None:
        return None
    scale, samples = sweep.scale(), sweep.replicas["samples"].max()
    frame = sweep.rank(stage=Stage.CONFIRM)
    return Confirmation(
        confirmed.conclusion(),
        f"{'geometric mean' if scale.is_logarithmic else 'mean'} {scale.metric}",
        None if pd.isna(samples) else int(samples),
        bool(frame["failed"].any()),
        [_finalist(row, scale) for row in frame.to_dict("records")],
    )


def _finalist(row: dict[Any, Any], scale: "Scale") -> dict[str, str]:
    """Return the cells of a configuration; of the winner's difference from itself there is nothing to say."""
    between = "" if pd.isna(row["vs_low"]) else f"{row['vs_low']:.3g} to {row['vs_high']:.3g}"
    unit = " times" if scale.is_logarithmic else ""
    difference = f"{row['vs_winner']:.3g}{unit}" + (f" ({between})" if between else "")
    return {
        "trial": f"{row['trial_id']} (defaults)" if row["is_baseline"] else row["trial_id"],
        "verdict": row["verdict"],
        "mean": _score(row["mean"]),
        "interval": "" if pd.isna(row["low"]) else f"{number(row['low'])} to {number(row['high'])}",
        "seeds": str(row["seeds"]),
        "failed": row["failed"],
        "difference": "" if row["verdict"] == WINNER or pd.isna(row["vs_winner"]) else difference,
        "searched": _score(row[f"{scale.metric}_in_search"]),
    }


def _score(value: float) -> str:
    return "-" if pd.isna(value) else number(value)


@dataclass(frozen=True)
class Table:
    """The trials, best first, those without a score last.

    Args:
        columns: Their names, and whether they hold numbers.
        rows: Of each cell, what is shown and what it is sorted by: None where it is empty.
        left_out: How many further trials there are.
    """

    columns: list[tuple[str, bool]]
    rows: list[list[tuple[str, Any]]]
    left_out: int


def _table(sweep: Sweep) -> Table:
    frame = sweep.rank().merge(sweep.trials[["trial_id", "reason"]], on="trial_id")
    frame["trial_id"] = frame["trial_id"].where(
        ~frame["is_baseline"].astype(bool), frame["trial_id"] + " (defaults)"
    )
    frame["status"] = frame["status"].map(lambda status: Status(status).words)
    frame = frame.drop(columns=["is_baseline", "floor", "low", "high", "seeds"], errors="ignore")
    frame = frame.rename(columns={"trial_id": "trial", "mean": "mean over fresh seeds"})
    rows = [
        [(cell(value), None if pd.isna(value) else value) for value in row]
        for row in frame.head(MOST_ROWS).itertuples(index=False)
    ]
    columns = [(str(name), _is_of_numbers(values)) for name, values in frame.items()]
    return Table(columns, rows, len(frame) - len(rows))


def _is_of_numbers(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


@dataclass(frozen=True)
class Failure:
    """Trials that failed for one reason.

    Args:
        reason: The error's last line.
        trial_ids: Which.
        traceback: The first one's.
    """

    reason: str
    trial_ids: list[str]
    traceback: str


def _failures(sweep: Sweep) -> list[Failure]:
    """Return the errors that ended trials, the most frequent first."""
    crashed = sweep.trials[sweep.trials["status"] == Status.CRASHED]
    failures = [
        Failure(
            str(reason), rows["trial_id"].tolist(), str(rows["traceback"].iloc[0] or "")[-LONGEST_TRACEBACK:]
        )
        for reason, rows in crashed.groupby("reason")
    ]
    return sorted(failures, key=lambda failure: -len(failure.trial_ids))[:MOST_REASONS]


def spec_as_yaml(spec: Mapping[str, Any]) -> str:
    """Return a spec, as a ledger holds it, as a search-space file that asks for the same sweep."""
    from ruamel.yaml import YAML

    stream = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.default_flow_style = None
    yaml.dump(_given(spec), stream)
    return stream.getvalue()


def _given(content: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Leave out what is not set."""
    if isinstance(content, Mapping):
        kept = {key: _given(value) for key, value in content.items() if value is not None and value != {}}
        if kept.keys() & {"value", "values"}:
            kept.pop("distribution")
        return kept["value"] if kept.keys() == {"value"} else kept
    return (
        [value if value == {} else _given(value) for value in content]
        if isinstance(content, list)
        else content
    )


def _commands(sweep: Sweep) -> list[tuple[str, str]]:
    """Return what to type to repeat the sweep, each with what it does."""
    where = results_option(sweep.folder.parent)
    commands = [
        (
            f"gan-sweep {sweep.name}.yaml{where}",
            f"the search again, of the file above saved as {sweep.name}.yaml",
        ),
        (f"gan-sweep rank {sweep.name}{where}", "the leaderboard"),
    ]
    best = _best(sweep)
    if best:
        commands += [
            (f"gan-sweep rerun {sweep.name} {best}{where}", "trains the best again and compares"),
            *_confirming(sweep, where),
        ]
    if standing(sweep.facts) is Status.INTERRUPTED:
        commands.append((f"gan-sweep resume {sweep.name}{where}", "goes on where it was stopped"))
    return commands


def _confirming(sweep: Sweep, where: str) -> Iterator[tuple[str, str]]:
    command, confirmed = f"gan-sweep confirm {sweep.name}", sweep.confirmed()
    if confirmed is None:
        yield (
            f"{command}{where}",
            "trains the best and the defaults on fresh seeds, to tell a gain from luck",
        )
    elif confirmed.is_finished:
        yield (
            f"{command} --until-resolved{where}",
            "trains more seeds of those that are not told from the best",
        )
