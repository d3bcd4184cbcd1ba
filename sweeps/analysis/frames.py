"""The record of a sweep as pandas frames: its trials, the trials of its confirmation, and their reports."""

from functools import cached_property
from typing import Any

import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.analysis.columns import column_of
from sweeps.analysis.rows import COLUMN_TYPES, COLUMNS, trial_row
from sweeps.analysis.statistics import Scale
from sweeps.errors import SweepError
from sweeps.record.reading import Record, read_reports

_DEFAULT_METRIC = [{"name": "fid", "goal": "minimize"}]


class Frames:
    """The tables of a record, each built when it is first needed, and what their columns mean.

    Args:
        record: The record of the sweep.

    Attributes:
        objectives: The ``name`` and ``goal`` of each metric that the sweep optimises, the primary one first.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.objectives: list[dict[str, str]] = record.facts["spec"].get("metric", _DEFAULT_METRIC)

    @property
    def metric(self) -> str:
        """The name of the primary metric."""
        return self.objectives[0]["name"]

    @property
    def less_is_better(self) -> bool:
        """Whether a lower score of the primary metric is better."""
        return self.objectives[0]["goal"] == "minimize"

    @cached_property
    def searched(self) -> list[str]:
        """The columns of the searched parameters."""
        return list(dict.fromkeys(column_of(name) for row in self.record.trials for name in row["params"]))

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial of the search (:attr:`sweeps.Sweep.trials`)."""
        return self._frame(self.record.trials)

    @cached_property
    def replicas(self) -> pd.DataFrame:
        """One row per trial of the confirmation (:attr:`sweeps.Sweep.replicas`)."""
        return self._frame(self.record.replicas)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per report of the search (:attr:`sweeps.Sweep.history`)."""
        rows = read_reports(self.record.folder)
        return pd.DataFrame(rows, columns=None if rows else ["trial_id", "step", "lineage", "fid"])

    @cached_property
    def with_final(self) -> list[str]:
        """The trials that have final scores."""
        return [row["trial_id"] for row in self.record.trials if row["final"] is not None]

    @property
    def has_seeds(self) -> bool:
        """Whether the search trained a configuration on further seeds."""
        return any(row["of"] for row in self.record.trials)

    def scale(self, by: str | None = None) -> Scale:
        """Return the scale on which scores of a metric are compared, by default of the primary metric.

        Before the first score of a sweep, every metric is allowed.

        Raises:
            SweepError: The sweep does not measure the metric.
        """
        if by is None or by == self.metric:
            return Scale(self.metric, self.less_is_better)
        from sweeps.spec.sections import GOALS

        has_scores = any(row["best_metrics"] or row["final"] for row in self.record.trials)
        measured = [name for name in GOALS if name in self.trials.columns or not has_scores]
        if by not in measured:
            name = self.record.folder.name
            raise SweepError(f"{name} has no metric {by!r}; {allowed_and_closest(by, measured)}")
        return Scale(by, GOALS[by] == "minimize")

    def _frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        frame = pd.DataFrame(
            [trial_row(row, self.metric, self.searched) for row in rows],
            columns=None if rows else self._columns_without_trials,
        )
        return frame.astype(COLUMN_TYPES | dict.fromkeys([self.metric, f"search_{self.metric}"], "float64"))

    @property
    def _columns_without_trials(self) -> list[str]:
        """The columns that the first trial will fill, so that a condition can name them before."""
        parameters = self.record.facts["spec"].get("parameters", {})
        return [*COLUMNS, self.metric, f"search_{self.metric}", *map(column_of, parameters)]
