"""From a ledger to a decision, as pandas frames."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

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

        ``trial_id``, ``status``, ``is_baseline``, ``fid`` (the best of its reports; missing where there was
        none), ``best_step`` (when), ``step`` (steps reported), ``reason`` (where it failed), ``seconds``,
        and a column for every parameter.
        """
        rows = [
            {
                "trial_id": row["trial_id"],
                "status": row["status"],
                "is_baseline": bool(row["is_baseline"]),
                "fid": row["score"],
                "best_step": row["best_step"],
                "step": row["step"],
                "reason": row["reason"],
                "seconds": row["ended_at"] and row["ended_at"] - row["started_at"],
                **row["config"],
            }
            for row in self._rows
        ]
        columns = ["trial_id", "status", "is_baseline", "fid", "best_step", "step", "reason", "seconds"]
        frame = pd.DataFrame(rows, columns=None if rows else columns)
        return frame.astype({"fid": float, "best_step": "Int64", "step": "Int64", "seconds": float})

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

        Args:
            top: How many rows to return; all where it is not given.

        Returns:
            ``rank`` from 1, ``trial_id``, ``status``, ``fid``, ``gain`` (how many times less than the fid
            of the seed tutorial's defaults), ``step``, ``is_baseline`` and a column for each searched
            parameter.
        """
        frame = self.trials.sort_values("fid", kind="stable", ignore_index=True)
        frame["rank"] = frame["fid"].rank(method="first").astype("Int64")
        baseline = frame.loc[frame["is_baseline"], "fid"]
        frame["gain"] = (baseline.iloc[0] if len(baseline) else float("nan")) / frame["fid"]
        columns = ["rank", "trial_id", "status", "fid", "gain", "step", "is_baseline", *self.searched]
        return frame[columns].head(len(frame) if top is None else top)

    def summary(self) -> dict[str, Any]:
        """Return the sweep in a few JSON values: counts by status, best trial, baseline, floor."""
        rows = [row for row in self._rows if row["score"] is not None]
        ended_at = self.facts.get("ended_at")
        return {
            "name": self.name,
            "status": self.facts["status"],
            "seconds": ended_at and ended_at - self.facts["started_at"],
            "trials": dict(Counter(row["status"] for row in self._rows)),
            "best": _in_short(min(rows, key=lambda row: row["score"], default=None)),
            "baseline": _in_short(next((row for row in rows if row["is_baseline"]), None)),
            "fid_floor": self.facts.get("fid_floor"),
            "eval_samples": sorted({row["config"]["eval_samples"] for row in rows}),
            "extractor": self.facts.get("extractor"),
        }

    def samples_file(self, trial_id: str) -> Path:
        """Return the picture of the samples that a trial's best fid was measured with."""
        return samples_file(self.folder, trial_id)

    def count(self, status: Status) -> int:
        """Return how many trials have this status."""
        return sum(row["status"] == status for row in self._rows)


def _in_short(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return row and {"trial_id": row["trial_id"], "fid": row["score"], "params": row["params"]}


def load(name: str, results: Path | str = RESULTS) -> Sweep:
    """Load a sweep by its name.

    Raises:
        UnknownSweepError: There is no such sweep in ``results``.
        SweepError: A newer version wrote it.
    """
    return Sweep(read_ledger(name, Path(results)))
