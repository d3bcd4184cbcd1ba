"""Fit the prior to one half of the recorded configurations, and judge replicas of the other half.

Several random halves are taken, and each half fits once. The noise of the recorded configurations is real, so
the errors show whether the model and its prior fit real trainings.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.verdict.fit import fit
from benchmarks.verdict.measure import Measured, measure
from benchmarks.verdict.methods import Model
from benchmarks.verdict.scenarios import Dealt, Resampled, Scenario
from sweeps.analysis.seed_noise import Array, Prior

SPLITS = 5
SMALL_GAINS = (1.5, 2.0)


@dataclass(frozen=True)
class Half:
    """The fit to one half of the configurations, and the scores of the other half."""

    fitted: Prior
    others: Array


def halves(scores: Array, splits: int = SPLITS) -> list[Half]:
    """Return random halves of the configurations with log scores ``(C, N)``, both ways round."""
    rng, found = np.random.default_rng(2), []
    for _ in range(splits):
        order = rng.permutation(len(scores))
        for ours, theirs in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            found.append(Half(fit(scores[ours]), scores[theirs]))
    return found


def measured(
    all_halves: list[Half],
    rules: Mapping[str, Callable[[Prior], Prior]],
    n_configurations: int,
    n_seeds: int,
    repetitions: int,
) -> Iterator[tuple[str, str, Measured]]:
    """Yield the errors under the prior of each rule: what is drawn, the name of the rule, the mean result.

    Args:
        all_halves: The halves.
        rules: By name, functions that make a prior of a fit.
        n_configurations: The number of configurations of a sweep.
        n_seeds: The number of seeds.
        repetitions: The number of sweeps, over all halves together.
    """
    n = -(-repetitions // len(all_halves))
    for name, rule in rules.items():
        results: dict[str, list[Measured]] = {}
        for place, half in enumerate(all_halves):
            for scenario in _drawn(half.others, n_configurations, n_seeds):
                model = Model.calibrated(name, rule(half.fitted), n_configurations, n_seeds, 1000)
                one = measure(scenario, model, n_configurations, n_seeds, n, SMALL_GAINS, seed=place)
                is_exact = isinstance(scenario, Dealt)  # its true means are not known
                found = replace(one, coverage=np.nan) if is_exact else one
                results.setdefault(scenario.name, []).append(found)
        for scenario_name, several in results.items():
            yield scenario_name, name, Measured.mean(several)


def _drawn(scores: Array, n_configurations: int, n_seeds: int) -> Iterator[Scenario]:
    yield Resampled("replicas of several configurations", scores)
    if scores.shape[1] >= n_configurations * n_seeds and (~np.isnan(scores).any(axis=1)).sum() > 1:
        yield Dealt("replicas of one configuration, dealt out", scores)
