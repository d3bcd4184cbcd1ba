"""The score that a sampler is given for a trial that diverged."""

from collections.abc import Sequence

from sweeps.spec.sections import Metric

WORST_SCORE = 1e6


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
