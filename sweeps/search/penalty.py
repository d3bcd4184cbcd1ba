"""The score and the violations of constraints that a sampler is given for a trial that diverged."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.spec.constraints import Constraint
from sweeps.spec.sections import Metric

WORST_SCORE = 1e6

TINY = 1e-6
"""A violation that breaks a constraint, and hardly moves a model of violations."""


class WorstScores:
    """The worst value of each metric among all trials so far: what a trial that diverged counts as.

    A trial that diverged has no score of its own. With the worst finite score the sampler avoids its region.

    Args:
        metrics: The metrics, the one that is searched by first.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._is_minimized = [metric.goal == "minimize" for metric in metrics]
        self._seen: list[float | None] = [None] * len(metrics)

    def add(self, scores: Sequence[float]) -> None:
        """Take the scores of a trial into account, one a metric."""
        for index, score in enumerate(scores):
            seen, worse = self._seen[index], max if self._is_minimized[index] else min
            self._seen[index] = score if seen is None else worse(seen, score)

    @property
    def is_known(self) -> bool:
        """Whether any trial has had a score."""
        return self._seen[0] is not None

    @property
    def values(self) -> list[float]:
        """For each metric a value that is no better than the worst seen."""
        return [
            (WORST_SCORE if seen is None else seen) if is_minimized else min(seen or 0.0, 0.0)
            for is_minimized, seen in zip(self._is_minimized, self._seen, strict=True)
        ]


class WorstViolations:
    """The largest violation of each constraint among all trials so far: what a trial that diverged counts as.

    Args:
        constraints: The constraints of the sweep.
    """

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._constraints = constraints
        self._seen: dict[str, float] = {}

    def violations(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Return how far metrics break each constraint, those that are known, and take them into account."""
        found = {str(each): each.violation(metrics) for each in self._constraints}
        known = {name: violation for name, violation in found.items() if violation is not None}
        self.add(known)
        return known

    def add(self, violations: Mapping[str, float]) -> None:
        """Take the violations of a trial into account."""
        for name, violation in violations.items():
            self._seen[name] = max(violation, self._seen.get(name, violation))

    @property
    def values(self) -> dict[str, float]:
        """For each constraint a violation that is no smaller than the largest seen, and not 0."""
        return {str(each): max(self._seen.get(str(each), 1.0), TINY) for each in self._constraints}
