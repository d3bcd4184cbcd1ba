"""Suggest configurations by a Gaussian process that knows the depth and the noise of each trial.

As a rule of :mod:`benchmarks.search`: ``benchmarks.search.depth_gp:DepthGP+asha``.
"""

from collections.abc import Mapping, Sequence
from math import log, log2
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from benchmarks.recordings import Floats

RANDOM_TRIALS = 10
CANDIDATES = 2000

Space = Mapping[str, BaseDistribution]
Params = dict[str, Any]


class DepthGP(BaseSampler):
    """Maximise the expected improvement of a trial's last score.

    Each trial is one observation of log score: its latest one, with the number of its reports as a further
    input. Trials that were stopped early therefore count for what they are, and the fit estimates the noise.
    A suggestion improves on the least expected log score of the trials so far, not on the luckiest score.

    Args:
        seed: The seed of the candidates.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002, D102
        space = IntersectionSearchSpace(include_pruned=True).calculate(study)
        return {name: domain for name, domain in space.items() if not domain.single()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Params:  # noqa: ARG002, D102
        scored = [(each, _score(each)) for each in study.get_trials(deepcopy=False)]
        trials = [each for each, score in scored if score is not None]
        scores = [score for _, score in scored if score is not None]
        if not search_space or len(trials) < RANDOM_TRIALS:
            return {}
        at = _features(search_space, [each.params for each in trials])
        depths = np.array([log2(_reports(each)) for each in trials])
        process = _fit(np.column_stack([at, depths]), np.log(scores))
        candidates = [self._drawn(search_space) for _ in range(CANDIDATES)]
        mean, deviation = process.predict(
            _at_the_end(_features(search_space, candidates), depths), return_std=True
        )
        least = process.predict(_at_the_end(at, depths)).min()
        return candidates[int(np.argmax(_expected_improvement(least, mean, deviation)))]

    def sample_independent(  # noqa: D102
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's signature
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _drawn(self, space: Space) -> Params:
        return {name: _value(domain, self._rng.random()) for name, domain in space.items()}


def _fit(x: Floats, y: Floats) -> GaussianProcessRegressor:
    kernel = ConstantKernel(1.0) * Matern(np.ones(x.shape[1]), (0.1, 20), nu=2.5) + WhiteKernel(0.1)
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the parameter does not matter
        return process.fit(x, y)


def _expected_improvement(least: float, mean: Floats, deviation: Floats) -> Floats:
    z = (least - mean) / deviation
    return np.asarray(deviation * (z * norm.cdf(z) + norm.pdf(z)))


def _at_the_end(at: Floats, depths: Floats) -> Floats:
    """Return inputs at the depth of a whole training."""
    return np.column_stack([at, np.full(len(at), depths.max())])


def _score(trial: FrozenTrial) -> float | None:
    """Return a trial's latest score; None before its first report."""
    if trial.state is TrialState.COMPLETE:
        return trial.value
    return trial.intermediate_values[trial.last_step] if trial.last_step is not None else None


def _reports(trial: FrozenTrial) -> int:
    """Return the number of a trial's reports; the study has the last one of a complete trial as its value."""
    return len(trial.intermediate_values) + (trial.state is TrialState.COMPLETE)


def _features(space: Space, configurations: Sequence[Params]) -> Floats:
    """Return ``(configurations, features)`` from 0 to 1."""
    return np.array(
        [
            [x for name, domain in space.items() for x in _scaled(domain, each[name])]
            for each in configurations
        ]
    )


def _scaled(domain: BaseDistribution, value: Any) -> list[float]:  # noqa: ANN401 - a parameter's value
    if isinstance(domain, CategoricalDistribution):
        return [float(value == other) for other in domain.choices[1:]]
    low, high, x = _on_scale(_numeric(domain), value)
    return [(x - low) / (high - low)]


def _value(domain: BaseDistribution, share: float) -> Any:  # noqa: ANN401 - a parameter's value
    """Return the value of a domain at a share of its range."""
    if isinstance(domain, CategoricalDistribution):
        return domain.choices[int(share * len(domain.choices))]
    numeric = _numeric(domain)
    low, high, _ = _on_scale(numeric, numeric.low)
    x = low + share * (high - low)
    value = min(max(float(np.exp(x)) if numeric.log else x, numeric.low), numeric.high)
    if isinstance(numeric, FloatDistribution):
        return value
    return numeric.low + round((value - numeric.low) / numeric.step) * numeric.step


def _numeric(domain: BaseDistribution) -> FloatDistribution | IntDistribution:
    if not isinstance(domain, FloatDistribution | IntDistribution):
        raise TypeError(f"{type(domain).__name__} has no feature")
    return domain


def _on_scale(domain: FloatDistribution | IntDistribution, value: float) -> tuple[float, float, float]:
    """Return the bounds of a domain, and a value, on the domain's scale."""
    scale = log if domain.log else float
    return scale(domain.low), scale(domain.high), scale(value)
