"""How much each searched parameter matters."""

import warnings
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweeps.analysis.columns import is_number
from sweeps.analysis.search_scores import first_trainings, is_scored, less_is_better, score_of

if TYPE_CHECKING:
    import optuna


def parameter_importances(
    trials: pd.DataFrame,
    parameters: Sequence[str],
    metric: str = "fid",
    *,
    logarithmic: Collection[str] = (),
) -> pd.Series:
    """Return how much each parameter matters, greatest first; the importances add up to 1, or all are 0.

    PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255), by Optuna: how far the best trials' values of a
    parameter lie from those of all trials. Trials without a search score and further seeds of a configuration
    are left out. With fewer than three trials all importances are 0.

    Args:
        trials: One row per trial.
        parameters: The columns of the parameters.
        metric: The metric; its search scores are explained.
        logarithmic: The parameters that are compared by their logarithms.
    """
    import optuna

    trials = first_trainings(trials)
    scored = trials[is_scored(trials, metric)]
    differing = [name for name in parameters if scored[name].nunique() > 1]
    nothing = pd.Series(0.0, index=list(parameters), dtype=float)
    if len(scored) < 3 or not differing:
        return nothing
    distributions = {name: _distribution(scored[name], log=name in logarithmic) for name in differing}
    study = _study(scored[differing], score_of(scored, metric), distributions, metric)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        shares = pd.Series(optuna.importance.get_param_importances(study), dtype=float)
    return shares.combine_first(nothing).fillna(0.0).sort_values(ascending=False)


def _study(
    values: pd.DataFrame, scores: pd.Series, distributions: dict[str, Any], metric: str
) -> "optuna.Study":
    """Return an Optuna study in memory with a trial for each row."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        direction="minimize" if less_is_better(metric) else "maximize",
    )
    for row, score in zip(values.to_dict("records"), scores, strict=True):
        params = {str(name): _plain(value) for name, value in row.items() if not pd.isna(value)}
        of_params = {name: distributions[name] for name in params}
        study.add_trial(optuna.create_trial(params=params, distributions=of_params, value=score))
    return study


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
