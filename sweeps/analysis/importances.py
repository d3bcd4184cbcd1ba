"""What the trials of a sweep say together, as functions of frames as :attr:`sweeps.Sweep.trials` is.

Trials are compared by the score that the search was told (``search_fid``), which rests on as many samples in
all of them. One that diverged or failed has no score, whatever it reported before.
"""

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sweeps.record.status import FAILURES, Status
from sweeps.spec.sections import GOALS

BAND = (0.1, 0.9)
"""The quantiles that :func:`expected_best` gives beside the mean."""


def less_is_better(metric: str) -> bool:
    """Return whether a lower score of a metric is a better one."""
    return GOALS.get(metric, "minimize") == "minimize"


def score_of(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return what the search was told of each trial; nothing of those that failed."""
    told = trials[f"search_{metric}"].astype(float)
    return told.mask(trials["status"].isin(FAILURES))


def is_scored(trials: pd.DataFrame, metric: str) -> pd.Series:
    """Return which trials have a score."""
    return score_of(trials, metric).notna()


def parameter_importances(
    trials: pd.DataFrame,
    parameters: Sequence[str],
    metric: str = "fid",
    *,
    logarithmic: Collection[str] = (),
) -> pd.Series:
    """Return Optuna's importances of the parameters, greatest first; they add up to 1, or all are 0.

    PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255): how far the best trials' values of a parameter lie
    from those of all trials. It goes by the trials with a score; of two or fewer nothing is known, and all
    are 0.

    Args:
        trials: A row a trial.
        parameters: The columns to compare.
        metric: The score.
        logarithmic: The parameters that are compared by their logarithms.
    """
    import optuna

    scored = trials[is_scored(trials, metric)]
    differing = [name for name in parameters if scored[name].nunique() > 1]
    nothing = pd.Series(0.0, index=list(parameters), dtype=float)
    if len(scored) < 3 or not differing:
        return nothing
    distributions = {name: _distribution(scored[name], log=name in logarithmic) for name in differing}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        direction="minimize" if less_is_better(metric) else "maximize",
    )
    for row, score in zip(scored[differing].to_dict("records"), score_of(scored, metric), strict=True):
        params = {str(name): _plain(value) for name, value in row.items() if not pd.isna(value)}
        study.add_trial(
            optuna.create_trial(
                params=params, distributions={name: distributions[name] for name in params}, value=score
            )
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        shares = pd.Series(optuna.importance.get_param_importances(study), dtype=float)
    return shares.combine_first(nothing).fillna(0.0).sort_values(ascending=False)


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


def _distribution(values: pd.Series, *, log: bool) -> Any:  # noqa: ANN401 - one of Optuna's distributions
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    known = values.dropna()
    if not is_number(known):
        return CategoricalDistribution(sorted({_plain(value) for value in known}, key=str))
    low, high = known.min(), known.max()
    if all(isinstance(_plain(value), int) for value in known):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a scalar of pandas
    return value.item() if isinstance(value, np.generic) else value


def is_number(values: pd.Series) -> bool:
    """Return whether a column is of numbers, truth values not among them."""
    return pd.api.types.is_numeric_dtype(values.infer_objects()) and not is_bool(values)


def is_bool(values: pd.Series) -> bool:
    """Return whether a column is of truth values."""
    return bool(values.map(lambda value: isinstance(value, bool | np.bool_)).any())
