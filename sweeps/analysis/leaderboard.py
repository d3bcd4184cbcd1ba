"""Parts of a leaderboard."""

import numpy as np
import pandas as pd


def matching_trials(frame: pd.DataFrame, condition: str) -> pd.Series:
    """Return which trials fulfil a condition (:func:`sweeps.analysis.where.matching`)."""
    from sweeps.analysis.where import matching

    return matching(frame, condition)


def on_the_front(frame: pd.DataFrame, metrics: list[dict[str, str]]) -> pd.Series:
    """Return which trials no other one dominates; only those with all scores can be.

    In the order of the scores, a trial can only be dominated by one before it that is on the front.
    """
    signs = [1 if metric["goal"] == "minimize" else -1 for metric in metrics]
    scores = frame.reindex(columns=[metric["name"] for metric in metrics]).to_numpy(dtype=float) * signs
    known = np.flatnonzero(~np.isnan(scores).any(axis=1))
    front = np.empty((0, len(metrics)))
    is_on_it = np.zeros(len(frame), dtype=bool)
    for index in known[np.lexsort(scores[known].T[::-1])]:
        row = scores[index]
        if not ((front <= row).all(axis=1) & (front < row).any(axis=1)).any():
            front = np.vstack([front, row])
            is_on_it[index] = True
    return pd.Series(is_on_it, index=frame.index)
