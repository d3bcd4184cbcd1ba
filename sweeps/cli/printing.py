"""Print a sweep's results: its summary, its confirmation, its leaderboard and the list of sweeps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.further_seeds import without_further_seeds
from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import (
    MEAN,
    by_one_seed,
    comparable_score,
    difference,
    gain_sentence,
    second_seed,
)
from sweeps.cli.table import print_table
from sweeps.record.layout import report_file
from sweeps.record.reading import overall_status
from sweeps.record.status import Stage, Status
from sweeps.record.uploads import stores_showing_running
from sweeps.record.yardstick import accuracy_of
from sweeps.words import counted, duration, format_params, results_option

if TYPE_CHECKING:
    from sweeps.analysis.several import Sweeps
    from sweeps.analysis.statistics import Scale
    from sweeps.driver.runner import Outcome

MOST_ROWS = 100
"""The most trials that a leaderboard prints without ``--top``: rich takes seconds for 10,000 rows."""


def print_summary(outcome: "Outcome", results: Path) -> None:
    """Print the best trial, its gain over the defaults, the confirmation, and what to type next."""
    for label, text in _summary_lines(outcome, results):
        print(f"{label:<9} {text}")
    if outcome.sweep.confirmed():
        print_confirmation(outcome.sweep, outcome.sweep.rank(stage=Stage.CONFIRM))


def _summary_lines(outcome: "Outcome", results: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary, each with its label."""
    sweep, summary = outcome.sweep, outcome.sweep.summary()
    counts = ", ".join(f"{count} {Status(status).words}" for status, count in summary["trials"].items())
    confirmed = (summary["confirmation"] or {}).get("seconds")
    confirming = f"; {duration(confirmed)} more to confirm" if confirmed else ""
    yield (
        sweep.name,
        f"{counts or 'no trial was started'}, in {duration(summary['seconds'])}{confirming}",
    )
    best = summary["best"]
    if summary["constraints"]:
        yield "bounds", _bounds_line(summary["constraints"])
    if best:
        yield from _score_lines(sweep, summary)
    if line := without_further_seeds(sweep):
        yield "seeds", line
    if best:
        yield "samples", str(sweep.samples_file(best["trial_id"]))
    if report_file(sweep.folder).exists():
        yield "report", str(report_file(sweep.folder))
    where, elsewhere = results_option(results), sweep.facts.get("tracking_uri")
    if elsewhere:
        yield "MLflow", elsewhere
    commands = [f"rank {sweep.name}", *([] if elsewhere else [f"ui {sweep.name}"])]
    if overall_status(sweep.facts) is Status.INTERRUPTED:
        commands.insert(0, f"resume {sweep.name}")
    for label, command in zip(["next", "", ""], commands, strict=False):
        yield label, f"gan-sweep {command}{where}"


def _bounds_line(constraints: dict[str, Any]) -> str:
    """Return the constraints of a sweep, and how many trials meet or break them, or may do either."""
    met, broken = constraints["feasible"], constraints["infeasible"]
    none = "" if met else "; none is known to meet them"
    reason = " (stopped early)" if constraints["unknown"] == constraints["unknown_stopped_early"] else ""
    unknown = f", {constraints['unknown']} unknown{reason}" if constraints["unknown"] else ""
    bounds = " and ".join(constraints["constraints"])
    return f"{bounds}: {counted(met, 'trial')} within, {broken} outside{unknown}{none}"


def _score_lines(sweep: Sweep, summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines on the best score: what it compares with, and how far it can be trusted."""
    best, metric = summary["best"], sweep.metric
    params = format_params(best["params"])
    key = _score_key(sweep, best, summary["baseline"])
    shown = _score_in_words(best, key if key == MEAN else metric, metric)
    yield "best", f"{shown}  {best['trial_id']}  {params}"
    if luck := by_one_seed(sweep):
        yield "seeds", luck
    if summary["baseline"]:
        yield "defaults", _defaults_line(sweep, best, summary["baseline"])
    if summary["floors"]:
        yield "floor", _floor_line(metric, summary)
    if accuracy := accuracy_of(sweep.facts):
        weak = ": a weak one, so look at samples too" if accuracy.is_weak else ""
        yield "features", f"of a classifier that is {accuracy}{weak}"


def _floor_line(metric: str, summary: dict[str, Any]) -> str:
    """Return the score of real images, as many as the best trial's score rests on, or all there are."""
    images, samples = summary["floor_images"], summary["best"]["samples"]
    number = "" if images is None else f"{images:,} "
    most = " (all there are)" if images is not None and images < samples else ""
    floor = summary["floors"][metric]
    return f"{metric} {floor:.4g}  {number}real images{most}; the best's {metric} is of {samples:,} samples"


def _defaults_line(sweep: Sweep, best: dict[str, Any], baseline: dict[str, Any]) -> str:
    """Return the score of the defaults and the best trial's gain over it, both of as many samples."""
    key = _score_key(sweep, best, baseline)
    score = baseline[key]
    gain = f"the best is {difference(best[key], score, sweep.scale())}"
    if best["trial_id"] == baseline["trial_id"] or best[key] == score:
        gain = "no trial is better than the defaults"
    return f"{_score_in_words(baseline, key, sweep.metric)}  {baseline['trial_id']}  {gain}"


def _score_key(sweep: Sweep, best: dict[str, Any], baseline: dict[str, Any] | None) -> str:
    """Return the key of the score that the summary shows: it compares the best trial with the defaults."""
    return comparable_score(best, baseline or best, sweep.metric)


def _score_in_words(row: dict[str, Any], key: str, metric: str) -> str:
    """Return a score as text; for an estimated mean, also its number of seeds."""
    mean = f" (estimated mean, {counted(row['seeds_in_search'], 'seed')})" if key == MEAN else ""
    return f"{metric} {row[key]:.4g}{mean}"


def print_confirmation(sweep: Sweep, frame: pd.DataFrame, columns: Sequence[str] | None = None) -> None:
    """Print the result of a confirmation: means, differences from the winner, and why it stopped.

    Args:
        sweep: The sweep.
        frame: The finalists, as ``sweep.rank(stage="confirm")`` returns them.
        columns: The columns to print; all if it is None.
    """
    confirmed = sweep.confirmed()
    if confirmed is None:
        return
    mean = sweep.scale().mean_name
    title = f"{sweep.name} confirmed: {mean} of the final {sweep.metric} over fresh seeds, 95 % intervals"
    command = f"gan-sweep rank {sweep.name} --stage confirm{results_option(sweep.folder.parent)}"
    print_table(title, _with_gains(frame, sweep.scale()), columns, command)
    lines = {
        "gain": gain_sentence(sweep, confirmed, confirmed.winner) if confirmed.winner else None,
        "verdict": confirmed.conclusion(),
        "more": confirmed.outlook(),
        "noise": confirmed.remark(),
    }
    for label, line in lines.items():
        if line:
            print(f"{label:<10}{line}")


def print_leaderboard(
    sweep: "Sweep | Sweeps",
    frame: pd.DataFrame,
    by: str | None,
    columns: Sequence[str] | None,
    top: int | None,
    command: str,
) -> None:
    """Print the ranked trials as a table, and the number of failed trials by kind.

    Args:
        sweep: The sweep, or several.
        frame: The trials, as ``sweep.rank(by, top)`` returns them.
        by: The metric; the sweep's own if it is None.
        columns: The columns to print; all if it is None.
        top: How many trials to print; at most ``MOST_ROWS`` if it is None.
        command: The command that prints this leaderboard.
    """
    scale = sweep.scale(by)
    better = "lower" if scale.less_is_better else "higher"
    shown = frame if top is not None else frame.head(MOST_ROWS)
    measured = f"{_floors(frame)}{_features(sweep)}{_luck(sweep, by)}"
    print_table(
        f"{sweep.name}: {scale.metric}, {better} is better{measured}",
        _with_gains(shown, scale),
        columns,
        command,
    )
    if more := len(frame) - len(shown):
        print(f"{more:,} more trials: {command} --top {len(frame)}, or --format csv, prints them")
    failures = sweep.failures()
    if len(failures):
        counts = ", ".join(f"{n} {kind} (loss {loss})" for kind, loss, n in failures.itertuples(index=False))
        print(f"failed: {counts}")


def _floors(frame: pd.DataFrame) -> str:
    """Return the scores of real images beside each number of samples in a leaderboard, as part of a title."""
    if "floor" not in frame or "samples" not in frame:
        return ""
    rows = frame[["samples", "floor", "floor_images"]].dropna(subset="floor").drop_duplicates()
    floors = rows.sort_values("samples")
    if floors["floor"].nunique() == 1 and floors["floor_images"].isna().all():
        return f"; real images score {floors['floor'].iloc[0]:.4g}"
    each = [
        f"{floor:.4g} ({samples:,} images)" if pd.isna(images) else f"{floor:.4g} ({images:,} images, all)"
        for samples, floor, images in floors.itertuples(index=False)
    ]
    return f"; real images score {', '.join(dict.fromkeys(each))}" if each else ""


def _features(sweep: "Sweep | Sweeps") -> str:
    """Return the accuracy of the classifier that measures the scores, as part of a title."""
    accuracy = accuracy_of(sweep.facts)
    return f"; by a classifier of {100 * accuracy.share:.1f} % accuracy" if accuracy else ""


def _luck(sweep: "Sweep | Sweeps", by: str | None) -> str:
    """Return by how much a second seed moves a score, if no trial has one, as part of a title."""
    is_by_one_seed = isinstance(sweep, Sweep) and by in {None, sweep.metric} and by_one_seed(sweep)
    return second_seed(sweep) if isinstance(sweep, Sweep) and is_by_one_seed else ""


def _with_gains(frame: pd.DataFrame, scale: "Scale") -> pd.DataFrame:
    """Return a leaderboard with its gains as text: a ratio, 2x, or a difference, +0.2."""
    template = "{:.4g}x" if scale.is_logarithmic else "{:+.4g}"
    columns = frame.columns.intersection(["gain", "gain_low", "gain_high"])
    texts = {name: frame[name].map(template.format, na_action="ignore") for name in columns}
    return frame.assign(**texts)


def print_sweeps(frame: pd.DataFrame, results: Path, columns: Sequence[str] | None) -> None:
    """Print the sweeps that :func:`sweeps.analysis.loading.list_sweeps` returned."""
    if not len(frame):
        print(
            f"there are no sweeps in {results} yet; to run one: gan-sweep SPEC.yaml{results_option(results)}"
        )
        return
    print_table(f"Sweeps in {results}", frame, columns, f"gan-sweep list{results_option(results)}")
    for name in frame["sweep"][frame["status"] != Status.RUNNING]:
        for uri in stores_showing_running(results / name):
            print(_how_to_end(name, uri, results))


def _how_to_end(name: str, uri: str | None, results: Path) -> str:
    """Return what to type so that MLflow shows that a sweep has ended."""
    at, option = (f" at {uri}", f" --tracking-uri {uri}") if uri else ("", "")
    command = f"gan-sweep sync {name}{results_option(results)}{option}"
    return f"MLflow{at} still shows {name} as running; to end it there: {command}"
