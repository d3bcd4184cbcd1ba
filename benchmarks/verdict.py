"""Measure how often verdicts err and what they find: ``python -m benchmarks.verdict``.

Simulated sweeps of three configurations, 3 and 5 seeds each, are judged by the model
(:mod:`sweeps.analysis.seed_noise`) and by the paired t-test with the winner that it replaced. Errors are
counted among equal configurations: ``any`` is the share of sweeps in which a configuration is called worse,
``gain`` the share in which the winner is called better than the defaults. Power is the share of sweeps in
which a true gain is significant. With the recorded replicas, one half of the configurations fits the prior,
and sweeps of resampled scores of the other half are judged. ``python -m benchmarks.verdict fit`` fits and
calibrates instead.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.replicas import TABLE
from benchmarks.verdict_fit import cautious, fit, replicas, write
from benchmarks.verdict_simulation import Judged, chunks, judged
from sweeps.analysis.comparison import Scores, race
from sweeps.analysis.evidence import Evidence, Kind, read
from sweeps.analysis.seed_noise import Array, Prior, posterior
from sweeps.analysis.statistics import Scale

CONFIGURATIONS = 3
SEEDS = (3, 5)
GAINS = (2.0, 3.5)
ERROR = 0.05
LOOKS = tuple(range(3, 11))
TYPICAL = 0.25
ONE = 1e-9
"""An omega of nearly 0: all configurations have the same deviation."""


@dataclass(frozen=True)
class Scenario:
    """How the scores of simulated configurations vary over seeds, on the scale of log fid.

    Args:
        name: What is simulated.
        deviations: The deviation of each configuration, or None: they are drawn from ``prior``.
        prior: Deviations and collapses.
    """

    name: str
    prior: Prior
    deviations: tuple[float, ...] | None = None

    def draw(self, means: Array, n: int, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return ``n`` simulated sweeps, ``(n, K, n_seeds)``."""
        everywhere = np.broadcast_to(means, (n, len(means)))
        if self.deviations is None:
            return self.prior.draw(everywhere, n_seeds, rng)
        order = rng.permuted(np.tile(self.deviations, (n, 1)), axis=1)
        unit = replace(self.prior, m=0.0, omega=ONE, pi=0.0).draw(np.zeros(everywhere.shape), n_seeds, rng)
        return everywhere[..., None] + order[..., None] * unit


def scenarios(recorded: Prior) -> list[Scenario]:
    """Return the scenarios; the last two show what happens if the prior's deviations are too small."""
    fixed = Prior(log(TYPICAL), ONE, 0.0, 1.5)
    return [
        Scenario("deviation 0.25", fixed),
        Scenario("deviations 0.1, 0.25, 0.4", fixed, (0.1, 0.25, 0.4)),
        Scenario("log-normal around 0.22, sigma 0.5", Prior(log(0.22), 0.5, 0.0, 1.5)),
        Scenario("the same, one seed in ten collapses", Prior(log(0.22), 0.5, 0.1, 1.5)),
        Scenario("the prior's", recorded),
        Scenario("1.25 times the prior's", recorded.in_units_of(1.25)),
        Scenario("1.5 times the prior's", recorded.in_units_of(1.5)),
    ]


@dataclass(frozen=True)
class Measured:
    """The results of one method in one scenario: shares of sweeps."""

    any_error: float
    gain_error: float
    power: tuple[float, ...]
    coverage: float


def measure_model(scenario: Scenario, n_seeds: int, repetitions: int) -> Measured:
    """Measure the model with the limits of the data file."""
    evidence = Evidence.on(Scale("fid", less_is_better=True), read()["extractor"])
    worse = evidence.worse(CONFIGURATIONS, n_seeds, n_seeds)
    planned = evidence.planned(CONFIGURATIONS, n_seeds, n_seeds)
    rng = np.random.default_rng(1)
    equal = scenario.draw(np.zeros(CONFIGURATIONS), repetitions, n_seeds, rng)
    found = judged(equal, evidence.base)
    power = [_found_gain(scenario, gain, n_seeds, repetitions, planned, rng) for gain in GAINS]
    return Measured(
        float((found.least < worse).mean()),
        float((found.better[:, 0] < planned).mean()),
        tuple(power),
        _coverage(equal, evidence.base),
    )


def _found_gain(
    scenario: Scenario, gain: float, n_seeds: int, repetitions: int, planned: float, rng: np.random.Generator
) -> float:
    """Return the share of sweeps with a significant gain; configuration 0 has the defaults."""
    means = np.array([log(gain), *[0.0] * (CONFIGURATIONS - 1)])
    found = judged(scenario.draw(means, repetitions, n_seeds, rng), _prior())
    return float((found.better[:, 0] < planned).mean())


@lru_cache
def _prior() -> Prior:
    return Evidence.on(Scale("fid", less_is_better=True), read()["extractor"]).base


def _coverage(values: Array, prior: Prior) -> float:
    """Return the share of 95 % intervals of means that contain the true mean, 0."""
    covered = []
    for part in chunks(values):
        below = posterior(part, prior)
        at_zero = np.take_along_axis(below.below, np.abs(below.grid).argmin(axis=-1)[:, None, None], axis=-1)[
            ..., 0
        ]
        covered.append((at_zero > 0.025) & (at_zero < 0.975))
    return float(np.concatenate(covered).mean())


def measure_t_test(scenario: Scenario, n_seeds: int, repetitions: int) -> Measured:
    """Measure the paired t-test with the winner, corrected for the choice of the winner."""
    rng = np.random.default_rng(1)
    limit = _t_limit(n_seeds)
    values = scenario.draw(np.zeros(CONFIGURATIONS), repetitions, n_seeds, rng)
    t = paired_t(values)
    power = []
    for gain in GAINS:
        means = np.array([log(gain), *[0.0] * (CONFIGURATIONS - 1)])
        of_defaults = paired_t(scenario.draw(means, repetitions, n_seeds, rng))[:, 0]
        power.append(float((of_defaults > limit).mean()))
    errors = float((t.max(axis=1) > limit).mean()), float((t[:, 0] > limit).mean())
    return Measured(*errors, tuple(power), student_coverage(values))


def paired_t(values: Array) -> Array:
    """Return the paired t ``(R, K)`` of each configuration against the one with the least mean."""
    winner = values.mean(axis=2).argmin(axis=1)
    apart = values - values[np.arange(len(values)), winner][:, None]
    deviation = apart.std(axis=2, ddof=1)
    n = values.shape[2]
    found: Array = np.zeros_like(deviation)
    np.divide(apart.mean(axis=2) * np.sqrt(n), deviation, out=found, where=deviation > 0)
    return found


@lru_cache
def _t_limit(n_seeds: int) -> float:
    normal = np.random.default_rng(0).standard_normal((20_000, CONFIGURATIONS, n_seeds))
    return float(np.quantile(paired_t(normal).max(axis=1), 1 - ERROR))


def student_coverage(values: Array) -> float:
    """Return the share of Student's 95 % intervals that contain 0."""
    from scipy.stats import t

    n = values.shape[2]
    half = t.ppf(0.975, n - 1) * values.std(axis=2, ddof=1) / np.sqrt(n)
    return float((np.abs(values.mean(axis=2)) < half).mean())


def halves(repetitions: int, n_seeds: int) -> Iterator[tuple[str, Measured]]:
    """Yield the errors on resampled replicas: a half of the configurations fits, the other half is judged.

    Scores of the judged configurations are centred on their means, so that all configurations are equal, and
    scaled by sqrt(n / (n - 1)): the deviation from the mean of n scores is too small by that factor.
    """
    values = np.log(replicas(TABLE).to_numpy(dtype=float))
    known = (~np.isnan(values)).sum(axis=1) >= max(2, n_seeds)
    if known.sum() < 2 * CONFIGURATIONS:
        return
    rng = np.random.default_rng(2)
    order = rng.permutation(np.flatnonzero(known))
    for fitted, judged_half in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        prior = cautious(fit(values[fitted]))
        rows = [row[~np.isnan(row)] for row in values[judged_half]]
        centred = [(row - np.median(row)) * np.sqrt(len(row) / (len(row) - 1)) for row in rows]
        picked = rng.integers(len(centred), size=(repetitions, CONFIGURATIONS))
        drawn = np.array([[rng.choice(centred[i], n_seeds, replace=False) for i in each] for each in picked])
        found: Judged = judged(drawn, prior)
        evidence = replace(Evidence.on(Scale("fid", less_is_better=True), read()["extractor"]), base=prior)
        worse = evidence.worse(CONFIGURATIONS, n_seeds, n_seeds)
        planned = evidence.planned(CONFIGURATIONS, n_seeds, n_seeds)
        errors = float((found.least < worse).mean()), float((found.better[:, 0] < planned).mean())
        yield "replicas, half and half", Measured(*errors, (), _coverage(drawn, prior))


def measure_race(scenario: Scenario, gains: tuple[float, ...], repetitions: int) -> tuple[float, float]:
    """Return the error of ``--until-resolved`` over all looks, and the trainings that it uses.

    Args:
        scenario: The noise.
        gains: By how much each configuration is worse than the best one.
        repetitions: The number of sweeps.
    """
    evidence = Evidence.on(Scale("fid", less_is_better=True), read()["extractor"])
    drawn = scenario.draw(np.log(gains), repetitions, LOOKS[-1], np.random.default_rng(3))
    wrong, trainings = 0, 0
    for values in drawn:
        scores = Scores(values, np.zeros(values.shape, bool), np.ones(values.shape, bool))
        n_in, seeds = len(values), 0
        ended = race(scores, evidence, LOOKS)
        best = np.array(gains) == min(gains)
        wrong += bool((best & ~ended.is_in).any())
        for look in LOOKS:
            trainings += n_in * (look - seeds)
            seeds = look
            so_far = race(scores.of(np.arange(len(values)), look), evidence, LOOKS)
            n_in = int(so_far.is_in.sum())
            if so_far.is_resolved:
                break
    return wrong / repetitions, trainings / repetitions


def main() -> None:
    """Fit and calibrate, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=["measure", "fit"], default="measure")
    parser.add_argument("--repetitions", type=int, default=2000, help="simulated sweeps of each row (2000)")
    parser.add_argument("--table", type=Path, default=TABLE, help="the recorded replicas, for fit")
    arguments = parser.parse_args()
    if arguments.action == "fit":
        write(arguments.table, repetitions=arguments.repetitions)
        return
    console = Console(width=130)
    recorded = Prior(**read()["priors"][Kind.RECORDED])
    for n_seeds in SEEDS:
        table = Table("scenario", "method", "any, %", "gain, %", "2 times, %", "3.5 times, %", "covered, %")
        table.title = f"{CONFIGURATIONS} configurations, {n_seeds} seeds, {arguments.repetitions} sweeps each"
        for scenario in scenarios(recorded):
            _add(table, scenario.name, "model", measure_model(scenario, n_seeds, arguments.repetitions))
            _add(table, "", "paired t", measure_t_test(scenario, n_seeds, arguments.repetitions))
        for name, measured in halves(arguments.repetitions, n_seeds):
            _add(table, name, "model", measured)
        console.print(table)
    table = Table("--until-resolved, 3 to 10 seeds", "errors, %", "trainings of 30")
    for gains in ((1.0, 1.0, 1.0), (1.0, 1.2, 3.5), (1.0, 2.0, 3.5)):
        error, trainings = measure_race(scenarios(recorded)[2], gains, arguments.repetitions // 10)
        table.add_row(f"1 : {gains[1]:g} : {gains[2]:g}", f"{100 * error:.1f}", f"{trainings:.1f}")
    console.print(table)


def _add(table: Table, name: str, method: str, measured: Measured) -> None:
    power = [f"{100 * share:.0f}" for share in measured.power] or ["", ""]
    errors = f"{100 * measured.any_error:.1f}", f"{100 * measured.gain_error:.1f}"
    table.add_row(name, method, *errors, *power, f"{100 * measured.coverage:.1f}")


if __name__ == "__main__":
    main()
