"""Read a record bit by bit while a sweep writes it."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from sweeps.record.reading import SELECT_TRIALS, open_read_only, parsed_rows
from sweeps.record.status import Stage, Status


class Follower:
    """Reads a ledger bit by bit while its writer goes on."""

    MOST_REPORTS = 10_000
    """Read at a time, to be bounded in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last_report = 0

    def standings(self) -> dict[str, tuple[Status, int]]:
        """Return how each trial stands, and how often it took over another one's state, in their order."""
        query = (
            "SELECT trial_id, status, json_array_length(take_overs) FROM trials ORDER BY stage DESC, number"
        )
        with closing(open_read_only(self.folder)) as connection:
            return {trial_id: (Status(status), n) for trial_id, status, n in connection.execute(query)}

    def trial(self, trial_id: str) -> dict[str, Any]:
        """Return a trial's row, with the metrics of its best report."""
        with closing(open_read_only(self.folder)) as connection:
            return parsed_rows(connection.execute(f"{SELECT_TRIALS} WHERE trials.trial_id = ?", (trial_id,)))[
                0
            ]

    def new_reports(self) -> dict[str, list[dict[str, Any]]]:
        """Return reports made since the last call by trial, the earliest first; not all where there are many.

        Each has its ``step``, ``metrics``, ``score`` (the trial's best so far) and ``reported_at``.
        """
        query = "SELECT * FROM reports WHERE sequence > ? ORDER BY sequence LIMIT ?"
        with closing(open_read_only(self.folder)) as connection:
            rows = connection.execute(query, (self._last_report, self.MOST_REPORTS)).fetchall()
        by_trial: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_trial.setdefault(row["trial_id"], []).append({**row, "metrics": json.loads(row["metrics"])})
            self._last_report = row["sequence"]
        return by_trial

    def scores(self) -> list[tuple[float, float]]:
        """Return when each trial of the search ended that has a score, and with which, in their order."""
        query = (
            "SELECT ended_at, score FROM trials"
            " WHERE stage = ? AND score IS NOT NULL AND status NOT IN (?, ?, ?, ?) ORDER BY ended_at, number"
        )
        without = (Status.RUNNING, Status.INTERRUPTED, Status.DIVERGED, Status.CRASHED)
        with closing(open_read_only(self.folder)) as connection:
            return [(row[0], row[1]) for row in connection.execute(query, (Stage.SEARCH, *without))]

    def reports_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return the ``step`` and the metrics of a trial's reports, in the order of steps."""
        query = "SELECT step, metrics FROM reports WHERE trial_id = ? ORDER BY step"
        with closing(open_read_only(self.folder)) as connection:
            rows = connection.execute(query, (trial_id,)).fetchall()
        return [{"step": row["step"], **json.loads(row["metrics"])} for row in rows]
