"""What an earlier run of a sweep has left: trials that ended, and trials to go on with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.record.reading import Record, read_reports
from sweeps.record.status import Mishap, Stage, Status
from sweeps.record.trial import Trial

UNFINISHED = (Status.RUNNING, Status.INTERRUPTED)


@dataclass(frozen=True)
class Past:
    """The trials of a ledger, and their reports.

    Args:
        rows: A row a trial, as :class:`sweeps.record.reading.Record` has them.
        reports: The metrics of each trial's reports, with their ``step``, in the order of steps.
    """

    rows: list[dict[str, Any]]
    reports: Mapping[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, record: Record, stage: Stage = Stage.SEARCH) -> "Past":
        """Read the reports that belong to a ledger's trials of a stage."""
        rows = record.of_stage(stage)
        reports: dict[str, list[dict[str, Any]]] = {row["trial_id"]: [] for row in rows}
        for report in read_reports(record.folder, stage):
            if report["trial_id"] in reports:
                reports[report["trial_id"]].append(report)
        return cls(rows, reports)

    @property
    def unfinished(self) -> list[Trial]:
        """The trials that were running when the sweep was stopped, in the order of suggestions."""
        return [_trial(row) for row in self.rows if row["status"] in UNFINISHED]

    def trial(self, trial_id: str) -> Trial:
        """Return a trial with the parameters that it has now."""
        return next(_trial(row) for row in self.rows if row["trial_id"] == trial_id)

    @property
    def ended(self) -> dict[str, Status]:
        """How each of the other trials ended."""
        return {
            row["trial_id"]: Status(row["status"]) for row in self.rows if row["status"] not in UNFINISHED
        }

    @property
    def n_suggested(self) -> int:
        """How many trials have been suggested."""
        return max((row["number"] + 1 for row in self.rows), default=0)

    def best_metrics(self, trial_id: str) -> dict[str, float]:
        """Return the metrics of a trial's best report, or nothing where it has made none."""
        rows = {row["trial_id"]: row["best_metrics"] for row in self.rows}
        return dict(rows.get(trial_id) or {})

    @property
    def n_take_overs(self) -> int:
        """How often a trial went on from another one's state."""
        return sum(len(row["take_overs"]) for row in self.rows)

    def taken_over(self, trial_id: str) -> dict[str, Any] | None:
        """Return which trial's state a trial has last taken over, and at which step, or None."""
        rows = {row["trial_id"]: row["take_overs"] for row in self.rows}
        return rows[trial_id][-1] if rows.get(trial_id) else None

    def n_mishaps(self, trial_id: str, kind: Mishap) -> int:
        """Return how often something happened to a trial."""
        of_trial = (row["mishaps"] for row in self.rows if row["trial_id"] == trial_id)
        return sum(mishap["kind"] == kind for mishaps in of_trial for mishap in mishaps)

    def last_step(self, trial_id: str) -> int:
        """Return the step of a trial's last report, 0 where it has made none."""
        reports = self.reports.get(trial_id)
        return int(reports[-1]["step"]) if reports else 0

    def judged_reports(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Yield each trial's row and the reports that a scheduler has judged.

        The last report of an unfinished trial is left out: it will be made again, and judged then.
        """
        for row in self.rows:
            reports = self.reports[row["trial_id"]]
            yield row, reports[:-1] if row["status"] in UNFINISHED else reports


def _trial(row: Mapping[str, Any]) -> Trial:
    return Trial(
        row["trial_id"],
        row["number"],
        row["params"],
        row["config"],
        bool(row["is_baseline"]),
        Stage(row["stage"]),
        row["of"],
        row["drawn"],
    )
