"""The expected score of the best of k trials: what a budget of k trials buys."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sweeps.analysis.search_scores import first_trainings, is_scored, less_is_better, score_of
from sweeps.record.status import Status

BAND = (0.1, 0.9)
"""The quantiles that :func:`expected_best` returns beside the mean."""


def expected_best(
    scores: Sequence[float] | pd.Series, metric: str = "fid", *, n_diverged: int = 0
) -> pd.DataFrame:
    """Return the expected best score of k trials drawn without replacement, for k from 1 to all trials.

    Of n trials, k draws miss the best i with probability C(n - i, k) / C(n, k). This gives exactly what the
    comparison by budget of "Are GANs Created Equal?" (Lucic et al., 2018, arXiv:1711.10337) estimates by
    bootstrap.

    Args:
        scores: The scores of the trials that have one.
        metric: The metric of the scores, which decides whether less is better.
        n_diverged: The number of further trials, which diverged and have no score. The expectation is then
            over draws with at least one score.

    Returns:
        ``trials`` (k), ``mean``, and ``low`` and ``high``, the 10 % and 90 % quantiles. No rows without any
        score.
    """
    sign = 1.0 if less_is_better(metric) else -1.0
    ordered = np.sort(sign * np.asarray(scores, dtype=float))
    n = len(ordered) + n_diverged
    missed = np.ones(len(ordered))
    rows = []
    for k in range(1, n + 1 if len(ordered) else 1):
        missed = missed * np.clip(n - np.arange(1, len(ordered) + 1) - (k - 1), 0, None) / (n - (k - 1))
        chances = -np.diff(missed, prepend=1.0)
        chances /= chances.sum()
        low, high = (ordered[_quantile(chances, share)] for share in BAND)
        rows.append((k, sign * chances @ ordered, *sorted((sign * low, sign * high))))
    return pd.DataFrame(rows, columns=["trials", "mean", "low", "high"])


def expected_best_of(trials: pd.DataFrame, metric: str = "fid") -> pd.DataFrame:
    """Return :func:`expected_best` of trials, by their search scores.

    Trials that crashed or have no score yet are left out. Trials that diverged count as draws without a
    score. Trials stopped early count with their best score so far. A sampler that learns makes its trials
    better than those of a random search, which this does not correct. Further seeds of a configuration are
    left out.
    """
    trials = first_trainings(trials)
    scores = score_of(trials, metric)[is_scored(trials, metric)]
    return expected_best(scores, metric, n_diverged=int((trials["status"] == Status.DIVERGED).sum()))


def expected_best_by(trials: pd.DataFrame, metric: str, by: str | None) -> pd.DataFrame:
    """Return :func:`expected_best_of` for each value of a parameter, by default of all trials together.

    Returns:
        A column named after the parameter (``of`` without one), and those of :func:`expected_best`.
    """
    groups = trials.groupby(by) if by else [("all", trials)]
    frames = {
        name: expected_best_of(group, metric) for name, group in groups if is_scored(group, metric).any()
    }
    if not frames:
        return pd.DataFrame(columns=[by or "of", "trials", "mean", "low", "high"])
    return pd.concat(frames, names=[by or "of", None]).reset_index(level=0).reset_index(drop=True)


def _quantile(chances: np.ndarray, share: float) -> int:
    return min(int(np.searchsorted(chances.cumsum(), share)), len(chances) - 1)
