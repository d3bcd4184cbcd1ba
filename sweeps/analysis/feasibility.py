"""Find the trials and the configurations of a sweep that break its constraints."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.comparison import Flags
from sweeps.record.judging import is_feasible
from sweeps.spec.constraints import Constraint


def feasible_column(constraints: Sequence[Constraint], rows: Sequence[Mapping[str, Any]]) -> pd.Series:
    """Return which trials meet all constraints, by trial; an empty cell means unknown."""
    index = [row["trial_id"] for row in rows]
    return pd.Series([is_feasible(constraints, row) for row in rows], index=index, dtype="boolean")


def infeasible_over_seeds(
    constraints: Sequence[Constraint], judged: Sequence[Sequence[Mapping[str, Any]]]
) -> Flags:
    """Return which configurations break a constraint on average over their seeds.

    Args:
        constraints: The constraints.
        judged: For each of the K configurations, what each of its trainings with a score is judged by.

    Returns:
        ``(K,)``; False where the mean of a metric is unknown.
    """
    return np.array([any(_is_broken(each, seeds) for each in constraints) for seeds in judged], dtype=bool)


def _is_broken(constraint: Constraint, seeds: Sequence[Mapping[str, Any]]) -> bool:
    violations = [constraint.violation(metrics) for metrics in seeds]
    known = [violation for violation in violations if violation is not None]
    return bool(known) and sum(known) / len(known) > 0
