"""The trials and reports of an earlier run of a sweep, from which a sweep resumes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.record.reading import Record, read_reports
from sweeps.record.status import Mishap, Stage, Status
from sweeps.record.trial import Trial

UNFINISHED = (Status.RUNNING, Status.INTERRUPTED)


@dataclass(frozen=True)
class Past:
    """The trials of a record, and the reports that led to their states.

    Args:
        rows: A row a trial, as in :class:`sweeps.record.reading.Record`.
        reports: By trial, the metrics of its reports with their ``step`` and ``lineage``, by step.
    """

    rows: list[dict[str, Any]]
    reports: Mapping[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, record: Record, stage: Stage = Stage.SEARCH) -> "Past":
        """Read the reports of a record's trials of a stage."""
        rows = record.of_stage(stage)
        reports: dict[str, list[dict[str, Any]]] = {row["trial_id"]: [] for row in rows}
        for report in read_reports(record.folder, stage):
            if report["trial_id"] in reports:
                reports[report["trial_id"]].append(report)
        return cls(
            rows, {row["trial_id"]: on_path(reports[row["trial_id"]], row["take_overs"]) for row in rows}
        )

    @property
    def trials(self) -> list[Trial]:
        """The trials with their present parameters, one a row."""
        return [_trial(row) for row in self.rows]

    @property
    def unfinished(self) -> list[Trial]:
        """The trials that were running when the sweep stopped, in the order of suggestions."""
        return [_trial(row) for row in self.rows if row["status"] in UNFINISHED]

    def trial(self, trial_id: str) -> Trial:
        """Return a trial with its present parameters."""
        return next(_trial(row) for row in self.rows if row["trial_id"] == trial_id)

    @property
    def ended(self) -> dict[str, Status]:
        """The statuses of the trials that have ended, by trial."""
        return {
            row["trial_id"]: Status(row["status"]) for row in self.rows if row["status"] not in UNFINISHED
        }

    @property
    def n_suggested(self) -> int:
        """How many trials have been suggested."""
        return max((row["number"] + 1 for row in self.rows), default=0)

    def best_metrics(self, trial_id: str) -> dict[str, float]:
        """Return the metrics of a trial's best report; an empty mapping without a report."""
        rows = {row["trial_id"]: row["best_metrics"] for row in self.rows}
        return dict(rows.get(trial_id) or {})

    @property
    def n_take_overs(self) -> int:
        """The number of take-overs of all trials."""
        return sum(len(row["take_overs"]) for row in self.rows)

    def taken_over(self, trial_id: str) -> dict[str, Any] | None:
        """Return the last take-over of a trial (``trial_id`` of the donor, ``step``), or None."""
        rows = {row["trial_id"]: row["take_overs"] for row in self.rows}
        return rows[trial_id][-1] if rows.get(trial_id) else None

    def n_mishaps(self, trial_id: str, kind: Mishap) -> int:
        """Return the number of a trial's mishaps of a kind."""
        of_trial = (row["mishaps"] for row in self.rows if row["trial_id"] == trial_id)
        return sum(mishap["kind"] == kind for mishaps in of_trial for mishap in mishaps)

    def last_step(self, trial_id: str) -> int:
        """Return the step of a trial's last report; 0 without a report."""
        reports = self.reports.get(trial_id)
        return int(reports[-1]["step"]) if reports else 0

    def judged_reports(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Yield each trial's row and the reports that the scheduler has judged.

        The last report of an unfinished trial is left out: the trial makes it again, and it is judged then.
        """
        for row in self.rows:
            reports = self.reports[row["trial_id"]]
            yield row, reports[:-1] if row["status"] in UNFINISHED else reports


def on_path(
    reports: Sequence[dict[str, Any]], take_overs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the reports of a trial that led to its present state, by step.

    A take-over abandons the reports that the trial had made after the step of the state that it takes over.

    Args:
        reports: All reports of the trial, by lineage and then by step.
        take_overs: The take-overs of the trial, in their order.
    """
    path: list[dict[str, Any]] = []
    for report in reports:
        begun_at = [take_over["step"] for take_over in take_overs[report["lineage"] :]]
        if not begun_at or report["step"] <= min(begun_at):
            path.append(report)
    return path


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
