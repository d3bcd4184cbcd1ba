from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest

from benchmarks.replicas import save
from benchmarks.verdict import Scenario, measure_model, measure_race, measure_t_test
from benchmarks.verdict_fit import LEAST_OMEGA, LEAST_PI, cautious, fit, not_below_the_suggested, replicas
from benchmarks.verdict_simulation import SIZES, judged_after_each_seed
from sweeps.analysis.seed_noise import Prior

TRUE = Prior(log(0.2), 0.5, 0.0, 1.5)
SCENARIO = Scenario("log-normal", TRUE)


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
    assert exp(not_below_the_suggested(replace(fitted, m=log(0.01))).m) == pytest.approx(0.22)


def test_replicas_have_a_row_per_configuration_and_a_column_per_seed(tmp_path):
    keys = {"world": "mlp", "configuration": [0, 0, 1], "seed": [0, 1, 0]}
    save(pd.DataFrame(keys | {"final_fid": [100.0, 110.0, 90.0]}), tmp_path / "replicas.parquet")
    table = replicas(tmp_path / "replicas.parquet")
    assert table.shape == (2, 2)
    assert table.notna().sum().sum() == 3


def test_the_verdict_finds_more_gains_than_the_paired_t_and_errs_seldom():
    model, old = measure_model(SCENARIO, 3, 200), measure_t_test(SCENARIO, 3, 200)
    assert model.any_error <= 0.08
    assert model.gain_error <= 0.08
    assert model.power[1] > 0.95 > old.power[1]
    assert model.power[0] > old.power[0]
    assert model.coverage > 0.92


def test_until_resolved_uses_fewer_trainings_where_the_differences_are_clear():
    error, trainings = measure_race(SCENARIO, (1.0, 4.0, 4.0), 10)
    assert error == 0
    assert trainings < 15


def test_each_number_of_configurations_is_judged_after_each_seed():
    found = judged_after_each_seed(TRUE.draw(np.zeros((3, SIZES[-1])), 4, np.random.default_rng(0)), TRUE)
    assert {size: len(each) for size, each in found.items()} == dict.fromkeys(SIZES, 4)
    assert found[3][2].better.shape == (3, 3)
