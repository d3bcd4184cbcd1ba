from collections import Counter
from statistics import mean, stdev

import optuna
import pytest
from optuna.samplers import RandomSampler
from pydantic import TypeAdapter

from sweeps.driver.preview import sample_configurations
from sweeps.spec.domains import AnyDomain, Fixed
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import write

DOMAINS = {
    "uniform": {"min": 0.1, "max": 0.9},
    "log": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "multiples": {"distribution": "q_uniform", "min": 0.1, "max": 0.9, "q": 0.25},
    "whole multiples": {"distribution": "q_uniform", "min": 16, "max": 64, "q": 16},
    "log multiples": {"distribution": "q_log_uniform_values", "min": 16, "max": 256, "q": 16},
    "normal": {"distribution": "normal", "mu": 0.5, "sigma": 0.1},
    "whole": {"min": 1, "max": 3},
    "choice": {"values": ["a", "b"]},
    "numbers": {"values": [16, 100]},
    "likely choice": {"values": ["a", "b", "c"], "probabilities": [0.7, 0.2, 0.1]},
}


def domain(content):
    return TypeAdapter(AnyDomain).validate_python(content)


def suggested(kind, n):
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    return [kind.suggest(study.ask(), "x") for _ in range(n)]


@pytest.fixture(autouse=True)
def silent():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("content", DOMAINS.values(), ids=DOMAINS.keys())
def test_suggested_values_are_in_the_domain_and_can_be_enqueued(content):
    kind = domain(content)
    for value in suggested(kind, 30):
        assert kind.contains(value)
        study = optuna.create_study(sampler=RandomSampler(seed=1))
        study.enqueue_trial({"x": kind.optuna_value(value)})
        assert kind.suggest(study.ask(), "x") == pytest.approx(value)


def test_multiples_of_a_whole_q_are_whole_numbers():
    assert set(suggested(domain(DOMAINS["multiples"]), 50)) == {0.25, 0.5, 0.75}
    values = suggested(domain(DOMAINS["whole multiples"]), 50)
    assert set(values) == {16, 32, 48, 64}
    assert {type(value) for value in values} == {int}
    assert domain(DOMAINS["whole multiples"]).all_values() == [16, 32, 48, 64]
    assert not domain(DOMAINS["whole multiples"]).contains(20)


def test_suggestions_follow_the_distribution():
    values = suggested(domain(DOMAINS["normal"]), 400)
    assert mean(values) == pytest.approx(0.5, abs=0.02)
    assert stdev(values) == pytest.approx(0.1, rel=0.1)
    counts = Counter(suggested(domain(DOMAINS["likely choice"]), 400))
    assert counts["a"] > 230 > 120 > counts["b"] > counts["c"] > 15


CONDITIONAL = """\
name: tiny
parameters:
  penalty_weight: {values: [1, 10], when: {penalty: [gradient-penalty, r1]}}
  d_steps: {values: [1, 5], when: {penalty_weight: 10}}
  penalty: {values: [none, gradient-penalty, r1]}
"""


def test_a_trial_has_a_parameter_exactly_if_its_conditions_hold(tmp_path):
    spec = load_spec(write(tmp_path, CONDITIONAL))
    for params in sample_configurations(spec, 50):
        assert ("penalty_weight" in params) == (params["penalty"] != "none")
        assert ("d_steps" in params) == (params.get("penalty_weight") == 10)
    assert spec.baseline == {"penalty": "none"}
    assert spec.trial_config(spec.baseline, 0).d_steps == 1


def test_a_finite_space_lists_its_points(tmp_path):
    space = load_spec(write(tmp_path, CONDITIONAL)).space
    points = list(space.points())
    assert len(points) == space.size() == 1 + 2 * (1 + 2)
    assert len({str(point) for point in points}) == 7
    assert all(space.contains(point) for point in points)
    assert not space.contains({"penalty": "none", "penalty_weight": 10})
    assert not space.contains({"penalty": "r1"})


def test_a_fixed_value_with_a_condition_applies_only_if_the_condition_holds(tmp_path):
    conditional = CONDITIONAL + "  lr: {value: 0.01, when: {penalty: r1}}\n"
    spec = load_spec(write(tmp_path, conditional))
    configs = [spec.trial_config(params, 1) for params in sample_configurations(spec, 20)]
    assert {(config.penalty == "r1", config.lr) for config in configs} == {(True, 0.01), (False, 3e-4)}
    assert isinstance(spec.searched["lr"], Fixed)


def test_a_point_has_defaults_for_the_active_parameters_that_it_leaves_out(tmp_path):
    points = CONDITIONAL + "points: [{penalty: r1, d_steps: 5, penalty_weight: 10}, {penalty: r1}]\n"
    spec = load_spec(write(tmp_path, points))
    assert spec.first_points() == [
        {"penalty": "none"},
        {"penalty": "r1", "penalty_weight": 10, "d_steps": 5},
        {"penalty": "r1", "penalty_weight": 10.0, "d_steps": 1},
    ]


@pytest.mark.parametrize(
    ("parameters", "warning"),
    [
        (
            "penalty_weight: {min: 1.0, max: 2.0}",
            "no trial uses penalty_weight: penalty is always none; remove penalty_weight",
        ),
        (
            "penalty_weight: {min: 1.0, max: 2.0}\n  penalty: {values: [none, r1]}",
            r"a trial with penalty: none does not use penalty_weight: add when: {penalty: \[r1\]}",
        ),
    ],
)
def test_a_parameter_that_trials_would_not_use_gives_a_warning(tmp_path, parameters, warning):
    with pytest.warns(UserWarning, match=rf":3:3: .*{warning}"):
        load_spec(write(tmp_path, f"name: tiny\nparameters:\n  {parameters}\n"))


def test_a_parameter_with_a_condition_gives_no_warning(tmp_path):
    load_spec(write(tmp_path, CONDITIONAL))


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("uniform", 0.5, 0.5),
        ("uniform", 1.2, 0.9),
        ("log", 1e-9, 1e-4),
        ("multiples", 0.4, 0.5),
        ("multiples", 7.0, 0.75),
        ("log multiples", 250, 256),
        ("normal", 3.0, 0.9),
        ("whole", 0, 1),
        ("choice", "b", "b"),
        ("numbers", 128, 100),
        ("numbers", 16, 16),
    ],
)
def test_nearest_returns_a_value_of_the_domain(name, value, nearest):
    found = domain(DOMAINS[name]).nearest(value)
    assert found == pytest.approx(nearest) if isinstance(value, float) else found == nearest
    assert domain(DOMAINS[name]).contains(found)
