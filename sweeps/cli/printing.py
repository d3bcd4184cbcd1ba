"""What a person reads when a sweep is over."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import difference, judge
from sweeps.record.layout import report_file
from sweeps.record.reading import standing
from sweeps.record.status import Stage, Status
from sweeps.words import duration, format_params, results_option

if TYPE_CHECKING:
    from sweeps.analysis.several import Sweeps
    from sweeps.analysis.statistics import Scale
    from sweeps.driver.runner import Outcome


def print_summary(outcome: "Outcome", results: Path) -> None:
    """Print which configuration won, by how much, what to type next, and what a confirmation found."""
    for label, text in _summary_lines(outcome, results):
        print(f"{label:<9} {text}")
    if outcome.sweep.confirmed():
        print_confirmation(outcome.sweep, outcome.sweep.rank(stage=Stage.CONFIRM))


def _summary_lines(outcome: "Outcome", results: Path) -> Iterator[tuple[str, str]]:
    sweep, summary = outcome.sweep, outcome.sweep.summary()
    counts = ", ".join(f"{count} {Status(status).words}" for status, count in summary["trials"].items())
    confirmed = (summary["confirmation"] or {}).get("seconds")
    confirming = f"; {duration(confirmed)} more to confirm" if confirmed else ""
    yield (
        sweep.name,
        f"{counts or 'no trial was started'}, in {duration(summary['seconds'])}{confirming}",
    )
    best, baseline = summary["best"], summary["baseline"]
    metric = sweep.metric
    if best:
        params = format_params(best["params"])
        yield "best", f"{metric} {best[metric]:.4g}  {best['trial_id']}  {params}"
    if best and baseline:
        comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
        gain = difference(best[comparable], baseline[comparable], sweep.scale())
        score = f"{metric} {baseline[comparable]:.4g}"
        yield "defaults", f"{score}  {baseline['trial_id']}  the best is {gain}"
    if best:
        floor, samples = summary["floors"][metric], best["samples"]
        yield "floor", f"{metric} {floor:.4g}  real images; the best's {metric} is of {samples:,} samples"
        yield "samples", str(sweep.samples_file(best["trial_id"]))
    if report_file(sweep.folder).exists():
        yield "report", str(report_file(sweep.folder))
    where, elsewhere = results_option(results), sweep.facts.get("tracking_uri")
    if elsewhere:
        yield "MLflow", elsewhere
    commands = [f"rank {sweep.name}", *([] if elsewhere else [f"ui {sweep.name}"])]
    if standing(sweep.facts) is Status.INTERRUPTED:
        commands.insert(0, f"resume {sweep.name}")
    for label, command in zip(["next", "", ""], commands, strict=False):
        yield label, f"gan-sweep {command}{where}"


def print_confirmation(sweep: Sweep, frame: pd.DataFrame) -> None:
    """Print what a confirmation has found: means, differences from the winner, and why it stopped."""
    confirmed = sweep.confirmed()
    if confirmed is None:
        return
    mean = "geometric mean" if confirmed.scores.scale.is_logarithmic else "mean"
    title = f"{sweep.name} confirmed: {mean} of the final {sweep.metric} over fresh seeds, 95 % intervals"
    _print_table(title, _with_gains(frame, confirmed.scores.scale))
    print(f"verdict   {confirmed.conclusion()}")
    winner, finalists = confirmed.winner, set(sweep.replicas["of"])
    defaults = set(sweep.trials["trial_id"][sweep.trials["is_baseline"]])
    if winner and defaults & finalists - {winner}:
        print(f"gain      {judge(sweep, winner).sentence('the gain over the defaults')}")


def print_leaderboard(sweep: "Sweep | Sweeps", frame: pd.DataFrame, by: str | None = None) -> None:
    """Print what ``rank`` returned, as a table, and how many trials failed of what."""
    scale = sweep.scale(by)
    better = "less" if scale.less_is_better else "more"
    floors = frame["floor"].dropna().unique()
    floor = f"; real images have {floors[0]:.4g}" if len(floors) == 1 else ""
    _print_table(f"{sweep.name}: {scale.metric}, {better} is better{floor}", _with_gains(frame, scale))
    failures = sweep.failures()
    if len(failures):
        told = ", ".join(f"{n} {kind} (loss {loss})" for kind, loss, n in failures.itertuples(index=False))
        print(f"failed: {told}")


def print_sweeps(frame: pd.DataFrame, results: Path) -> None:
    """Print what :func:`sweeps.analysis.loading.list_sweeps` returned, as a table."""
    if len(frame):
        _print_table(f"Sweeps in {results}", frame)
    else:
        print(f"there are no sweeps in {results} yet")


def _with_gains(frame: pd.DataFrame, scale: "Scale") -> pd.DataFrame:
    """Return a leaderboard as it is printed: a gain is a ratio, 2x, or a difference, +0.2."""
    template = "{:.4g}x" if scale.is_logarithmic else "{:+.4g}"
    return frame.drop(columns="floor").assign(gain=frame["gain"].map(template.format, na_action="ignore"))


def _print_table(title: str, frame: pd.DataFrame) -> None:
    """Print a frame in aligned columns, the defaults in bold; Rich takes seconds for 10,000 rows."""
    is_baseline = frame.get("is_baseline", pd.Series(data=False, index=frame.index)).tolist()
    columns = [
        _aligned(column, frame[column], is_baseline) for column in frame.columns if column != "is_baseline"
    ]
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    if sys.stdout.isatty():
        lines[1:] = [
            f"\x1b[1m{line}\x1b[0m" if bold else line
            for line, bold in zip(lines[1:], is_baseline, strict=True)
        ]
    print("\n".join([title, *lines]))


def _aligned(column: str, values: "pd.Series[Any]", is_baseline: list[bool]) -> list[str]:
    """Return a column's heading and cells, of one width."""
    headings = {"trial_id": "trial", "vs_winner": "vs winner", "vs_low": "low", "vs_high": "high"}
    there = zip(values.tolist(), values.isna().tolist(), is_baseline, strict=True)
    cells = ["-" if missing else _cell_of(column, value, bold) for value, missing, bold in there]
    cells = [headings.get(column, column), *cells]
    width = max(map(len, cells))
    return [cell.ljust(width) if column in _TEXTS else cell.rjust(width) for cell in cells]


_TEXTS = {"sweep", "trial_id", "status", "verdict", "failed"}


def _cell_of(column: str, value: object, is_baseline: bool) -> str:
    if column == "trial_id":
        return f"{value} (defaults)" if is_baseline else str(value)
    if column == "status" and value in _WORDS:
        return _WORDS[str(value)]
    return _cell(value)


_WORDS = {str(status): status.words for status in Status}


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
