"""From a ledger to a decision, as pandas frames."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sweeps.ledger import Record, read_ledger, read_reports, samples_file
from sweeps.status import Status

RESULTS = Path("results")


class Sweep:
    """A sweep as its ledger tells it; needs neither Ray nor MLflow, and may still be running.

    Args:
        record: What the ledger holds.
    """

    def __init__(self, record: Record) -> None:
        self.folder = record.folder
        self.name = record.folder.name
        self.facts = record.facts
        self._rows = record.trials

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial, in the order of suggestions.

        ``trial_id``, ``status``, ``is_baseline``, ``flags`` (what went wrong and since which step), ``step``
        (steps reported), ``best_step`` (the report with the lowest fid), ``search_fid`` (its fid, which the
        search was told), ``samples``, ``fid`` and the other scores, ``reason`` (where it failed),
        ``seconds``, and a column for every parameter.

        The scores of a trial that was trained to its end are the final ones, of ``final_samples`` images
        that the weights of its best report made of fresh noise; another's are those of its best report, of
        ``eval_samples``.
        """
        frame = pd.DataFrame(
            [_trial_row(row) for row in self._rows], columns=None if self._rows else _COLUMNS
        )
        return frame.astype(_TYPES)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row a report: ``trial_id``, ``step``, and a column a metric."""
        rows = read_reports(self.folder)
        return pd.DataFrame(rows, columns=None if rows else ["trial_id", "step", "fid"])

    @property
    def searched(self) -> list[str]:
        """The names of the parameters that differ between trials."""
        return list(self._rows[0]["params"]) if self._rows else []

    def rank(self, top: int | None = None) -> pd.DataFrame:
        """Return the trials by fid, best first; those without one come last, unranked.

        Trials with a final score come before those without: fid depends on the number of samples.

        Args:
            top: How many rows to return; all where it is not given.

        Returns:
            ``rank`` from 1, ``trial_id``, ``status``, ``fid``, ``samples`` (that it rests on), ``gain`` (how
            many times less than the fid, of as many samples, of the seed tutorial's defaults), ``step``,
            ``flags``, ``is_baseline`` and a column for each searched parameter.
        """
        frame = self.trials
        order = {"has_final": False, "fid": True}
        frame = frame.assign(has_final=[row["final"] is not None for row in self._rows]).sort_values(
            [*order], ascending=[*order.values()], kind="stable", ignore_index=True
        )
        frame["rank"] = pd.Series(range(1, len(frame) + 1), dtype="Int64").where(frame["fid"].notna())
        baseline = {True: self._baseline("fid"), False: self._baseline("search_fid")}
        frame["gain"] = frame["has_final"].map(baseline).astype(float) / frame["fid"]
        columns = ["rank", "trial_id", "status", "fid", "samples", "gain", "step", "flags", "is_baseline"]
        return frame[[*columns, *self.searched]].head(len(frame) if top is None else top)

    def summary(self) -> dict[str, Any]:
        """Return the sweep in a few JSON values: counts by status, best trial, baseline, floors."""
        ranked = self.rank()["trial_id"][self.rank()["rank"].notna()].tolist()
        in_short = {row["trial_id"]: _in_short(row) for row in self._rows}
        baseline = next((row["trial_id"] for row in self._rows if row["is_baseline"]), None)
        ended_at = self.facts.get("ended_at")
        return {
            "name": self.name,
            "status": self.facts["status"],
            "seconds": ended_at and ended_at - self.facts["started_at"],
            "trials": dict(Counter(row["status"] for row in self._rows)),
            "best": in_short[ranked[0]] if ranked else None,
            "baseline": in_short[baseline] if baseline in ranked else None,
            "floors": self.facts.get("floors"),
            "extractor": self.facts.get("extractor"),
        }

    def samples_file(self, trial_id: str) -> Path:
        """Return the picture of the samples that a trial's best fid was measured with."""
        return samples_file(self.folder, trial_id)

    def count(self, status: Status) -> int:
        """Return how many trials have this status."""
        return sum(row["status"] == status for row in self._rows)

    def _baseline(self, column: str) -> float:
        values = self.trials.loc[self.trials["is_baseline"], column]
        return values.iloc[0] if len(values) else float("nan")


_TRAINING_METRICS = {"d_loss", "g_loss", "images_per_s"}

_TYPES: dict[str, Literal["Int64", "float64"]] = {
    "step": "Int64",
    "best_step": "Int64",
    "search_fid": "float64",
    "samples": "Int64",
    "fid": "float64",
    "seconds": "float64",
}
_COLUMNS = ["trial_id", "status", "is_baseline", "flags", "reason", *_TYPES]


def _trial_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "trial_id": row["trial_id"],
        "status": row["status"],
        "is_baseline": bool(row["is_baseline"]),
        "flags": ", ".join(f"{flag} since {step}" for flag, step in row["flags"].items()),
        "step": row["step"],
        "best_step": row["best_step"],
        "search_fid": row["score"],
        **_scores(row),
        "reason": row["reason"],
        "seconds": row["ended_at"] and row["ended_at"] - row["started_at"],
        **row["config"],
    }


def _scores(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial's scores, and the number of samples that they rest on."""
    if row["final"]:
        return {"samples": row["config"]["final_samples"], **row["final"]}
    if not row["best_metrics"]:
        return {"samples": None, "fid": None}
    scores = {name: value for name, value in row["best_metrics"].items() if name not in _TRAINING_METRICS}
    return {"samples": row["config"]["eval_samples"], **scores}


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    scores = _scores(row)
    return {
        "trial_id": row["trial_id"],
        "fid": scores["fid"],
        "samples": scores["samples"],
        "search_fid": row["score"],
        "scores": {name: value for name, value in scores.items() if name != "samples"},
        "flags": row["flags"],
        "params": row["params"],
    }


def load(name: str, results: Path | str = RESULTS) -> Sweep:
    """Load a sweep by its name.

    Raises:
        UnknownSweepError: There is no such sweep in ``results``.
        SweepError: Another version wrote it, or it is damaged.
    """
    return Sweep(read_ledger(name, Path(results)))
