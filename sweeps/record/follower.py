"""Read a record piece by piece while a sweep writes it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeps.record.judging import is_feasible
from sweeps.record.layout import LEDGER
from sweeps.record.opening import converted, opened
from sweeps.record.past import on_path
from sweeps.record.reading import SELECT_TRIALS, parsed_rows
from sweeps.record.schema import from_json
from sweeps.record.status import Stage, Status
from sweeps.spec.constraints import Constraint


class Follower:
    """Reads a record piece by piece while its writer adds to it.

    Args:
        folder: The sweep's folder.

    Raises:
        SweepError: The record is damaged, locked, cannot be read, or its format is not known; each method
            raises it too.
    """

    MOST_REPORTS = 10_000
    """Read at a time, which bounds the memory needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last_report = 0
        self._converted = converted(folder / LEDGER)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the record; one of an earlier format, which nobody writes, is converted once."""
        if self._converted:
            yield self._converted
            return
        with opened(self.folder / LEDGER) as connection:
            yield connection

    def standings(self) -> dict[str, tuple[Status, int]]:
        """Return each trial's status and number of take-overs, the confirmation's trials last."""
        query = (
            "SELECT trial_id, status, json_array_length(take_overs) FROM trials ORDER BY stage DESC, number"
        )
        with self._opened() as connection:
            return {trial_id: (Status(status), n) for trial_id, status, n in connection.execute(query)}

    def trial(self, trial_id: str) -> dict[str, Any]:
        """Return a trial's row, with the metrics of its best report."""
        query = f"{SELECT_TRIALS} WHERE trials.trial_id = ?"
        with self._opened() as connection:
            [row] = parsed_rows(connection.execute(query, (trial_id,)))
        return row

    def new_reports(self) -> dict[str, list[dict[str, Any]]]:
        """Return the next reports since the last call by trial, the earliest first, MOST_REPORTS at most.

        Each has its ``lineage``, ``step``, ``metrics``, ``score`` (the trial's best so far) and
        ``reported_at``. A report that was made again is returned again.
        """
        query = "SELECT * FROM reports WHERE sequence > ? ORDER BY sequence LIMIT ?"
        with self._opened() as connection:
            rows = connection.execute(query, (self._last_report, self.MOST_REPORTS)).fetchall()
        by_trial: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            report = {**row, "metrics": _measured(row["metrics"])}
            by_trial.setdefault(row["trial_id"], []).append(report)
            self._last_report = row["sequence"]
        return by_trial

    def scores(self, constraints: Sequence[Constraint] = ()) -> list[tuple[float, float]]:
        """Return when each trial of the search ended, and its score, in the order in which they ended.

        Trials that break a constraint are left out.
        """
        select = SELECT_TRIALS if constraints else "SELECT ended_at, score FROM trials"
        without = (Status.RUNNING, Status.INTERRUPTED, Status.DIVERGED, Status.CRASHED)
        with self._opened() as connection:
            found = connection.execute(f"{select} {_SCORED}", (Stage.SEARCH, *without))
            if not constraints:
                return [(row[0], row[1]) for row in found]
            rows = [row for row in parsed_rows(found) if is_feasible(constraints, row) is not False]
        return [(row["ended_at"], row["score"]) for row in rows]

    def reports_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return the ``step`` and the metrics of the reports that led to a trial's state, by step."""
        query = "SELECT step, lineage, metrics FROM reports WHERE trial_id = ? ORDER BY lineage, step"
        with self._opened() as connection:
            rows = [dict(row) for row in connection.execute(query, (trial_id,))]
            found = connection.execute(
                "SELECT take_overs FROM trials WHERE trial_id = ?", (trial_id,)
            ).fetchone()
        path = on_path(rows, from_json(found[0]) if found else [])
        return [{"step": row["step"], **_measured(row["metrics"])} for row in path]


_SCORED = """
WHERE stage = ? AND trials.score IS NOT NULL AND status NOT IN (?, ?, ?, ?) ORDER BY ended_at, number
"""


def _measured(metrics: str) -> dict[str, float]:
    """Return the metrics of a report without those that were not finite."""
    return {name: value for name, value in from_json(metrics).items() if value is not None}
