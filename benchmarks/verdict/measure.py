"""Measure how often a method errs, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.verdict.methods import Method
from benchmarks.verdict.scenarios import Scenario

GAINS = (2.0, 3.5)


@dataclass(frozen=True)
class Measured:
    """The results of one method in one scenario, as shares.

    Args:
        any_error: The sweeps of equal configurations in which one is called worse.
        gain_error: The sweeps of equal configurations in which one is called better than the defaults.
        power: The sweeps with a true gain in which that gain is significant; by the size of the gain.
        coverage: The 95 % intervals that contain the true mean; NaN where it is unknown.
    """

    any_error: float
    gain_error: float
    power: tuple[float, ...]
    coverage: float

    @classmethod
    def mean(cls, several: Sequence["Measured"]) -> "Measured":
        """Return the mean of several results."""
        power = np.mean([each.power for each in several], axis=0)
        return cls(
            float(np.mean([each.any_error for each in several])),
            float(np.mean([each.gain_error for each in several])),
            tuple(map(float, np.atleast_1d(power))),
            float(np.mean([each.coverage for each in several])),
        )


def measure(
    scenario: Scenario,
    method: Method,
    n_configurations: int,
    n_seeds: int,
    repetitions: int,
    gains: Sequence[float] = GAINS,
    seed: int = 1,
) -> Measured:
    """Measure a method on ``repetitions`` sweeps of equal configurations, and on as many with each gain."""
    rng = np.random.default_rng(seed)
    equal = scenario.draw(np.zeros(n_configurations), repetitions, n_seeds, rng)
    found = method.judge(equal)
    power = []
    for gain in gains:
        means = np.zeros(n_configurations)
        means[0] = np.log(gain)
        power.append(float(method.judge(scenario.draw(means, repetitions, n_seeds, rng)).gain.mean()))
    return Measured(
        float(found.any_worse.mean()), float(found.gain.mean()), tuple(power), method.coverage(equal)
    )
