from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest

from benchmarks.replicas import save
from benchmarks.verdict.bank import Bank
from benchmarks.verdict.fit import (
    LEAST_OMEGA,
    LEAST_PI,
    SUGGESTED,
    cautious,
    distance_of_two_seeds,
    fit,
    like_finalists,
    replicas,
    shipped,
)
from benchmarks.verdict.halves import halves, measured
from benchmarks.verdict.measure import measure
from benchmarks.verdict.methods import Model, PairedT
from benchmarks.verdict.race import measure_race
from benchmarks.verdict.scenarios import Dealt, Resampled, Simulated
from benchmarks.verdict.searches import measure_searches
from benchmarks.verdict.simulation import SIZES, judged_after_each_seed
from sweeps.analysis.evidence import Kind, read
from sweeps.analysis.seed_noise import Prior

TRUE = Prior(log(0.2), 0.5, 0.0, 1.5)
SCENARIO = Simulated("log-normal", TRUE)


@pytest.fixture(scope="module")
def fitted():
    values = TRUE.draw(np.linspace(4, 7, 40), 8, np.random.default_rng(0))
    values[::3, 5:] = np.nan
    return fit(values)


def test_the_fit_finds_the_deviations_of_replicas(fitted):
    assert exp(fitted.m) == pytest.approx(0.2, rel=0.25)
    assert fitted.omega == pytest.approx(0.5, abs=0.25)
    assert fitted.pi < 0.05


def test_a_prior_has_floors_and_larger_deviations_than_the_fit(fitted):
    raised = cautious(replace(fitted, omega=0.1, pi=0.0))
    assert (raised.omega, raised.pi) == (LEAST_OMEGA, LEAST_PI)
    assert raised.m > fitted.m
    assert shipped(replace(fitted, m=log(0.01))).m == cautious(SUGGESTED).m


def test_replicas_have_a_row_per_configuration_and_a_column_per_seed(tmp_path):
    keys = {"world": "mlp", "configuration": [0, 0, 1], "seed": [0, 1, 0]}
    save(pd.DataFrame(keys | {"final_fid": [100.0, 110.0, 90.0]}), tmp_path / "replicas.parquet")
    table = replicas(tmp_path / "replicas.parquet")
    assert table.shape == (2, 2)
    assert table.notna().sum().sum() == 3


def bank(n_seeds=8):
    """Return log scores of two worlds: seeds of good configurations vary four times as much."""
    index = pd.MultiIndex.from_product([["a", "b"], range(5)], names=["world", "configuration"])
    means, rng = np.array([7.0, 6.0, 6.1, 7.5, 7.6] * 2), np.random.default_rng(1)
    deviations = np.where(means < 6.5, 0.2, 0.05)
    return pd.DataFrame(
        means[:, None] + deviations[:, None] * rng.standard_normal((10, n_seeds)), index=index
    )


def test_configurations_like_finalists_are_far_better_than_the_defaults_of_their_world():
    assert like_finalists(bank()).index.tolist() == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_the_bank_shows_that_seeds_of_good_configurations_vary_more():
    described = Bank(bank())
    deviations = described.by_level()["pooled deviation"]
    assert deviations["0 to 0.5 times the defaults"] > 2 * deviations["1.001 to inf times the defaults"]
    assert max(described.level_dependence().values()) < 0
    assert described.collapses() == (0, 80)
    correlation, limit = described.correlation_of_seeds()
    assert abs(correlation) < 0.4
    assert 0 < limit < 0.4


def test_the_distance_of_two_seeds_is_that_of_the_deviation():
    drawn = np.random.default_rng(0).normal(0, 0.2, (200, 5))
    drawn[::2, 3:] = np.nan
    assert distance_of_two_seeds(drawn) == pytest.approx(0.2 * 0.954, rel=0.1)


@pytest.mark.parametrize("kind", [Resampled, Dealt])
def test_resampled_scores_have_the_asked_means_and_the_deviation_of_the_replicas(kind):
    scores = np.array([[5.0], [7.0]]) + np.random.default_rng(0).normal(0, 0.2, (2, 10))
    scores -= scores.mean(axis=1, keepdims=True)
    scores *= 0.2 / scores.std(axis=1, ddof=1, keepdims=True)
    drawn = kind("replicas", scores).draw(np.array([1.0, 0.0]), 2000, 3, np.random.default_rng(0))
    assert drawn.shape == (2000, 2, 3)
    assert drawn[:, 0].mean() - drawn[:, 1].mean() == pytest.approx(1.0, abs=0.02)
    assert np.sqrt(drawn.var(axis=2, ddof=1).mean()) == pytest.approx(0.2, rel=0.05)


def test_a_half_of_the_replicas_is_judged_by_the_fit_to_the_other_half():
    values = TRUE.draw(np.linspace(4, 7, 16), 10, np.random.default_rng(0))
    both = halves(values, splits=1)
    assert [half.others.shape for half in both] == [(8, 10), (8, 10)]
    found = list(measured(both, {"as shipped": shipped}, 3, 3, 40))
    assert [name for name, _, _ in found] == [
        "replicas of several configurations",
        "replicas of one configuration, dealt out",
    ]
    assert all(each.any_error < 0.2 for _, _, each in found)
    assert found[0][2].coverage > 0.85


def test_the_verdict_finds_more_gains_than_the_paired_t_and_errs_seldom():
    model, old = (
        measure(SCENARIO, method, 3, 3, 200) for method in (Model.shipped(Kind.RECORDED, 3, 3), PairedT())
    )
    assert model.any_error <= 0.08
    assert model.gain_error <= 0.08
    assert model.power[1] > 0.95 > old.power[1]
    assert model.power[0] > old.power[0]
    assert model.coverage > 0.92


@pytest.mark.parametrize("kind", [Kind.ELSEWHERE, Kind.OWN])
def test_without_recorded_replicas_the_verdict_errs_seldom_too(kind):
    found = measure(SCENARIO, Model.shipped(kind, 3, 3), 3, 3, 200)
    assert found.any_error <= 0.08
    assert found.power[1] > 0.8


def test_until_resolved_uses_fewer_trainings_where_the_differences_are_clear():
    found = measure_race(SCENARIO, (1.0, 4.0, 4.0), 10)
    assert found.errors == 0
    assert found.gain == 1
    assert found.seeds < 15


def test_the_package_has_what_the_fit_writes():
    content = read()
    assert content["priors"]["recorded"]["m"] >= cautious(Prior(**content["fitted"])).m - 1e-3
    assert 0.05 < content["distance_of_two_seeds"] < 0.4


def test_each_number_of_configurations_is_judged_after_each_seed():
    found = judged_after_each_seed(TRUE.draw(np.zeros((3, SIZES[-1])), 4, np.random.default_rng(0)), TRUE)
    assert {size: len(each) for size, each in found.items()} == dict.fromkeys(SIZES, 4)
    assert found[3][2].better.shape == (3, 3)


@pytest.mark.parametrize("most_seeds", [1, 3])
def test_finalists_of_a_search_among_equals_are_rarely_called_better(most_seeds):
    found = measure_searches(SCENARIO, most_seeds, 40)
    assert found.gain.shape == (40,)
    assert found.gain.mean() < 0.15


class Certain:
    """Scores without noise: the mean of a configuration is its place, and the defaults are the worst."""

    name = "certain"

    def draw(self, means, n, n_seeds, _):
        return np.tile(-np.arange(len(means), dtype=float)[:, None], (n, 1, n_seeds))


def test_the_best_of_a_search_are_its_finalists():
    assert measure_searches(Certain(), 3, 2).gain.all()
