"""The score by which the search compares trials, as columns of :attr:`sweeps.Sweep.trials`.

The sampler and the scheduler compare trials by ``search_fid`` (``search_kid``, ...), the best score among a
trial's reports. In every trial it rests on the same number of samples. A trial that diverged or crashed has
no score, whatever it reported before.
"""

import pandas as pd

from sweeps.record.status import FAILURES
from sweeps.spec.sections import GOALS


def less_is_better(metric: str) -> bool:
    """Return whether a lower score of a metric is a better one."""
    return GOALS.get(metric, "minimize") == "minimize"


def score_of(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return the search score of each trial; NaN for trials that failed."""
    scores = trials[f"search_{metric}"].astype(float)
    return scores.mask(trials["status"].isin(FAILURES))


def is_scored(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return which trials have a search score."""
    return score_of(trials, metric).notna()


def first_trainings(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without those that repeat a configuration on a further seed."""
    return trials[trials["of"].isna()] if "of" in trials else trials
