"""Measure ``--until-resolved``: its errors over all looks, and the trainings that it uses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.verdict.methods import shipped_evidence
from benchmarks.verdict.scenarios import Scenario
from sweeps.analysis.comparison import Race, Scores, gain, race
from sweeps.analysis.evidence import Evidence, Kind
from sweeps.analysis.seed_noise import Array

LOOKS = tuple(range(3, 11))


@dataclass(frozen=True)
class Raced:
    """The results of races in one scenario.

    Args:
        errors: The share of races that reject one of the best configurations.
        gain: The share of races that end with a significant gain over the last configuration.
        seeds: The mean number of trainings of a race.
    """

    errors: float
    gain: float
    seeds: float


def measure_race(
    scenario: Scenario,
    gains: Sequence[float],
    repetitions: int,
    kind: Kind = Kind.RECORDED,
    looks: tuple[int, ...] = LOOKS,
) -> Raced:
    """Race configurations until they differ, or until more seeds would hardly show a difference.

    Args:
        scenario: The noise.
        gains: How many times worse than the best one each configuration is; the last one has the defaults.
        repetitions: The number of races.
        kind: The evidence on the noise.
        looks: The numbers of seeds after which configurations are compared.
    """
    evidence, means = shipped_evidence(kind), np.log(gains)
    drawn = scenario.draw(means, repetitions, looks[-1], np.random.default_rng(3))
    is_best = means == means.min()
    wrong, significant, trainings = 0, 0, 0
    for values in drawn:
        ended, used = _raced(values, evidence, looks)
        wrong += bool((is_best & ~ended.is_in).any())
        significant += _has_gain(values, used, ended, evidence, looks)
        trainings += int(used.sum())
    return Raced(wrong / repetitions, significant / repetitions, trainings / repetitions)


def _raced(values: Array, evidence: Evidence, looks: tuple[int, ...]) -> tuple[Race, Array]:
    """Return the end of a race, and the number of seeds that each configuration was trained on."""
    used = np.zeros(len(values), dtype=int)
    is_in = np.ones(len(values), dtype=bool)
    for look in looks:
        used[is_in] = look
        so_far = race(_seen(values, used, look), evidence, looks)
        is_in = so_far.is_in
        if so_far.is_resolved:
            break
    return so_far, used


def _seen(values: Array, used: Array, look: int) -> Scores:
    """Return the scores that exist when each configuration was trained on ``used`` seeds."""
    is_trained = np.arange(look) < used[:, None]
    seen = np.where(is_trained, values[:, :look], np.nan)
    return Scores(seen, np.zeros(seen.shape, dtype=bool), is_trained)


def _has_gain(values: Array, used: Array, ended: Race, evidence: Evidence, looks: tuple[int, ...]) -> bool:
    """Return whether the winner's gain over the last configuration is significant."""
    winner, defaults = ended.comparison.winner, len(values) - 1
    if winner is None or winner == defaults:
        return False
    found = gain(_seen(values, used, int(used.max())), winner, defaults, evidence, looks)
    return bool(found and found.is_significant)
