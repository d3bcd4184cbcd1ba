"""The score to expect of the best of k trials: what a budget buys."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sweeps.analysis.search_scores import is_scored, less_is_better, score_of
from sweeps.record.status import Status

BAND = (0.1, 0.9)
"""The quantiles that :func:`expected_best` gives beside the mean."""


def expected_best(
    scores: Sequence[float] | pd.Series, metric: str = "fid", *, n_diverged: int = 0
) -> pd.DataFrame:
    """Return the best of k trials drawn without replacement, by k from 1 to all of them.

    The comparison by budget of "Are GANs Created Equal?" (Lucic et al., 2018, arXiv:1711.10337), not by
    bootstrap but exactly: of n trials, k draws miss the best i with probability C(n - i, k) / C(n, k).

    Args:
        scores: Of trials that have one.
        metric: Whose scores, which says whether less is better.
        n_diverged: Further trials, which have none: what is expected is then of draws with at least one.

    Returns:
        ``trials`` (k), ``mean``, and ``low`` and ``high``, the 10 % and 90 % quantiles.
    """
    sign = 1.0 if less_is_better(metric) else -1.0
    ordered = np.sort(sign * np.asarray(scores, dtype=float))
    n = len(ordered) + n_diverged
    missed = np.ones(len(ordered))
    rows = []
    for k in range(1, n + 1):
        missed = missed * np.clip(n - np.arange(1, len(ordered) + 1) - (k - 1), 0, None) / (n - (k - 1))
        chances = -np.diff(missed, prepend=1.0)
        chances /= chances.sum()
        low, high = (ordered[_quantile(chances, share)] for share in BAND)
        rows.append((k, sign * chances @ ordered, *sorted((sign * low, sign * high))))
    return pd.DataFrame(rows, columns=["trials", "mean", "low", "high"])


def expected_best_of(trials: pd.DataFrame, metric: str = "fid") -> pd.DataFrame:
    """Return :func:`expected_best` of some trials, a row each.

    Those that crashed, and those that have no score yet, are left out; those that diverged have none.
    """
    scores = score_of(trials, metric)[is_scored(trials, metric)]
    return expected_best(scores, metric, n_diverged=int((trials["status"] == Status.DIVERGED).sum()))


def _quantile(chances: np.ndarray, share: float) -> int:
    return min(int(np.searchsorted(chances.cumsum(), share)), len(chances) - 1)
