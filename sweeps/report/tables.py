"""Build the tables of the report page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweeps.analysis.confirmation import LEADING, WINNER
from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import number
from sweeps.record.layout import worker_log_file
from sweeps.record.status import Stage, Status

if TYPE_CHECKING:
    from sweeps.analysis.statistics import Scale

MOST_ROWS = 1000

MOST_REASONS = 20
LONGEST_TRACEBACK = 8000


def cell(value: object) -> str:
    """Return a value as the text of a cell."""
    if value is None or pd.isna(value):  # type: ignore[call-overload] # a cell is a scalar
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class ConfirmationTable:
    """The finalists and their scores over fresh seeds, the winner first.

    Args:
        conclusion: The result, and why the confirmation stopped.
        mean: The heading of the column of means.
        samples: The number of images of each score; None before the first score.
        has_failures: Whether any training failed.
        rows: The cells of each finalist, by column.
    """

    conclusion: str
    mean: str
    samples: int | None
    has_failures: bool
    rows: list[dict[str, str]]


def confirmation_table(sweep: Sweep) -> ConfirmationTable | None:
    """Return the table of a confirmation; None without one."""
    confirmed = sweep.confirmed()
    if confirmed is None:
        return None
    scale, samples = sweep.scale(), sweep.replicas["samples"].max()
    frame = sweep.rank(stage=Stage.CONFIRM)
    return ConfirmationTable(
        "; ".join(filter(None, [confirmed.conclusion(), confirmed.outlook(), confirmed.remark()])),
        f"{scale.mean_name} {scale.metric}",
        None if pd.isna(samples) else int(samples),
        bool(frame["failed"].any()),
        [_finalist(row, scale) for row in frame.to_dict("records")],
    )


def _finalist(row: dict[Any, Any], scale: "Scale") -> dict[str, str]:
    """Return the cells of a finalist."""
    between = "" if pd.isna(row["vs_low"]) else f"{row['vs_low']:.3g} to {row['vs_high']:.3g}"
    unit = " times" if scale.is_logarithmic else ""
    difference = f"{row['vs_winner']:.3g}{unit}" + (f" ({between})" if between else "")
    return {
        "trial": f"{row['trial_id']} (defaults)" if row["is_baseline"] else row["trial_id"],
        "verdict": row["verdict"],
        "mean": _score(row["mean"]),
        "interval": _between(row["mean_low"], row["mean_high"]),
        "seeds": str(row["seeds"]),
        "failed": row["failed"],
        "difference": "" if row["verdict"] in {WINNER, LEADING} or pd.isna(row["vs_winner"]) else difference,
        "searched": _score(row[f"{scale.metric}_in_search"]),
    }


def _between(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{number(low)} to {number(high)}"


def _score(value: float) -> str:
    return "-" if pd.isna(value) else number(value)


@dataclass(frozen=True)
class Table:
    """The trials, the best first, those without a score last.

    Args:
        columns: The name of each column, and whether it holds numbers.
        rows: The cells of each row: their text, and the value to sort by, None for an empty cell.
        left_out: The number of trials that are not in the table.
        has_several_samples: Whether some scores rest on more samples than others.
    """

    columns: list[tuple[str, bool]]
    rows: list[list[tuple[str, Any]]]
    left_out: int
    has_several_samples: bool

    @property
    def wraps(self) -> list[bool]:
        """Whether the cells of each column have long texts, in lines."""
        return [name in _WITH_LONG_TEXTS for name, _ in self.columns]


_WITH_LONG_TEXTS = ("flags", "took_over", "reason")
_HEADINGS = {
    "trial_id": "trial",
    "of": "further seed of",
    "mean_in_search": "mean over search seeds",
    "seeds_in_search": "search seeds",
    "mean": "mean over fresh seeds",
}
_RESULTS = ("samples", "gain", "step", "mean", "mean_in_search")
_LEFT_OUT_IF_EMPTY = ("flags", "reason")
"""The last columns: they have long texts, or none at all."""


def trial_table(sweep: Sweep) -> Table:
    """Return the leaderboard, with the reason of each failed trial."""
    frame = sweep.rank().merge(sweep.trials[["trial_id", "reason"]], on="trial_id")
    frame["trial_id"] = frame["trial_id"].where(
        ~frame["is_baseline"].astype(bool), frame["trial_id"] + " (defaults)"
    )
    frame["status"] = frame["status"].map(lambda status: Status(status).words)
    frame = frame.drop(
        columns=["is_baseline", "floor", "floor_images", "mean_low", "mean_high", "seeds"], errors="ignore"
    )
    empty = [name for name in _LEFT_OUT_IF_EMPTY if name in frame and not frame[name].fillna("").any()]
    frame = frame.drop(columns=empty)
    frame = frame[sorted(frame.columns, key=lambda name: name in _LEFT_OUT_IF_EMPTY)]
    results = {*sweep.metrics, *_RESULTS}
    rows = [
        [
            (_result(value) if name in results else cell(value), None if pd.isna(value) else value)
            for name, value in row.items()
        ]
        for row in frame.head(MOST_ROWS).to_dict("records")
    ]
    gain = {"gain": "gain (times)"} if sweep.scale().is_logarithmic else {}
    columns = [
        (str((_HEADINGS | gain).get(str(name), name)), _is_numeric(values)) for name, values in frame.items()
    ]
    return Table(columns, rows, len(frame) - len(rows), bool(frame["samples"].nunique() > 1))


def _result(value: object) -> str:
    """Return a result as the text of a cell; unlike parameters, results have separators of thousands."""
    if isinstance(value, float) and not pd.isna(value):
        return f"{value:,.0f}" if value.is_integer() else number(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else cell(value)


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


@dataclass(frozen=True)
class Failure:
    """Trials that failed for the same reason.

    Args:
        reason: The last line of the error.
        trial_ids: The names of the trials.
        traceback: The traceback of the first trial.
        logs: The files, in the sweep's folder, of what the trials' workers printed.
    """

    reason: str
    trial_ids: list[str]
    traceback: str
    logs: list[str]


def failures_table(sweep: Sweep) -> list[Failure]:
    """Return the trials that failed, grouped by reason, the most frequent reason first."""
    crashed = sweep.trials[sweep.trials["status"] == Status.CRASHED]
    failures = [
        Failure(
            str(reason),
            rows["trial_id"].tolist(),
            str(rows["traceback"].iloc[0] or "")[-LONGEST_TRACEBACK:],
            [
                str(file.relative_to(sweep.folder))
                for file in (worker_log_file(sweep.folder, trial_id) for trial_id in rows["trial_id"])
                if file.exists()
            ],
        )
        for reason, rows in crashed.groupby("reason")
    ]
    return sorted(failures, key=lambda failure: -len(failure.trial_ids))[:MOST_REASONS]
