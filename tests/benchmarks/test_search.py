import json
from math import log

import numpy as np
import pandas as pd
import pytest
from ray.tune.schedulers.async_hyperband import _Bracket

from benchmarks.record import SHORT, SPACE, Outcome, plan, recorded, write
from benchmarks.search import (
    CANDIDATES,
    METHODS,
    REPORTS,
    HeldOut,
    ReplayedTrial,
    Surrogate,
    features,
    held_out,
    last_ratio,
    load,
    replay,
    resampled,
    share_to_reach,
)

BUDGET = 10 * REPORTS


class Valley:
    """A synthetic world: the nearer ``lr`` is to 1e-3, the faster a trial's fid falls from 2,000."""

    def __init__(self, noise=0.1):
        self.noise = noise

    def expected(self, params):
        slope = max(0.0, 2.0 - abs(log(params["lr"] / 1e-3)))
        return log(2000) - slope * np.arange(1, REPORTS + 1) / REPORTS

    def luck(self, expected, seed, number):
        return self.noise * np.random.default_rng([seed, number]).standard_normal(REPORTS)


@pytest.mark.parametrize("method", METHODS)
def test_a_replay_depends_on_its_seed_alone(method):
    one, again, other = (replay(METHODS[method], seed, Valley(), BUDGET) for seed in (1, 1, 2))
    assert one == again
    assert one.observed != other.observed


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_spend_the_same_budget_and_two_trials_alternate(method):
    done = replay(METHODS[method], 0, Valley(), BUDGET)
    assert len(done.observed) == len(done.noise_free) == len(done.log) == BUDGET
    assert [number for number, *_ in done.log[:2]] == [0, 1]
    for turn, (number, reports, _, stopped) in enumerate(done.log[:-2]):
        ended = stopped or reports == REPORTS
        following, its_reports, *_ = done.log[turn + 2]
        assert its_reports == (1 if ended else reports + 1)
        assert (following != number) == ended


@pytest.mark.parametrize("method", METHODS)
def test_the_study_has_each_trial_in_its_final_state(method):
    done = replay(METHODS[method], 0, Valley(), BUDGET)
    n_stopped = sum(stopped for *_, stopped in done.log)
    n_whole = sum(reports == REPORTS for _, reports, *_ in done.log)
    expected = {"COMPLETE": n_whole, "PRUNED": n_stopped, "RUNNING": 2}
    if METHODS[method].naive:
        expected = {"COMPLETE": n_whole + n_stopped, "PRUNED": 0, "RUNNING": 2}
    assert {state: done.states[state] for state in expected} == expected
    assert done.states.total() == sum(expected.values())
    assert (n_stopped > 0) == (METHODS[method].early_terminate == "asha")


@pytest.mark.parametrize("method", ["tpe+asha", "random+asha", "naive bridge"])
def test_trials_are_stopped_as_by_rays_bracket_except_for_the_baseline(method):
    done = replay(METHODS[method], 3, Valley(), BUDGET)
    bracket = _Bracket(1, REPORTS, 3, 0)
    for number, reports, score, stopped in done.log:
        trial = ReplayedTrial(str(number), {}, np.empty(0), np.empty(0))
        decision = bracket.on_result(trial, reports, -score)
        if reports < REPORTS and number > 0:
            assert stopped == (decision == "STOP")
        else:
            assert not stopped
    assert (0, REPORTS) in [(number, reports) for number, reports, *_ in done.log]


def test_random_draws_the_same_trials_and_noise_with_and_without_asha():
    alone, stopping = (replay(METHODS[name], 0, Valley(), BUDGET) for name in ("random", "random+asha"))
    firsts = [
        {number: score for number, reports, score, _ in done.log if reports == 1}
        for done in (alone, stopping)
    ]
    assert firsts[0].items() <= firsts[1].items()
    assert METHODS["tpe"].spec(0).baseline == {
        "loss": "bce",
        "noise_dim": 96,
        "lr": 3e-4,
        "beta1": 0.5,
        "leaky_slope": 0.2,
    }


def test_without_noise_observed_and_noise_free_fids_are_equal():
    done = replay(METHODS["tpe"], 0, Valley(noise=0), BUDGET)
    assert done.observed == done.noise_free
    assert done.observed == sorted(done.observed, reverse=True)


def test_a_target_is_reached_when_the_median_stays_at_or_below_it():
    curves = {"random": np.array([[9.0, 9.0, 8.0, 4.0]] * 3), "tpe": np.array([[4.0, 5.0, 4.0, 3.0]] * 3)}
    assert share_to_reach(curves, "tpe") == 0.75
    assert share_to_reach(curves, "random") == 1
    curves["tpe"][:, -1] = 5
    assert share_to_reach(curves, "tpe") == float("inf")


def test_intervals_resample_the_seeds_of_all_methods_together():
    luck = np.random.default_rng(0).uniform(1, 2, (30, 1))
    same = {"a": 2 * luck, "b": luck}
    assert resampled(same, lambda drawn: last_ratio(drawn, "a", "b")) == (2.0, 2.0, 2.0)
    value, low, high = resampled({"b": luck}, lambda drawn: float(np.median(drawn["b"])))
    assert low < value < high


def test_a_surrogate_fits_a_smooth_function_and_draws_recorded_residuals():
    jobs = plan(SHORT, 60)
    curves = np.array([Valley().expected(job.params) for job in jobs])
    x = features(pd.DataFrame([job.params for job in jobs]))
    assert ((x >= 0) & (x <= 1)).all()
    errors = held_out(CANDIDATES["extra trees"], x, curves)
    assert isinstance(errors, HeldOut)
    assert errors.r2 > 0.8
    surrogate = Surrogate.fit(CANDIDATES["extra trees"], x, errors)
    expected = surrogate.expected(jobs[0].params)
    assert np.allclose(expected, curves[0], atol=0.2)
    assert (errors.residuals == surrogate.luck(expected, 1, 2)).all(axis=1).any()
    assert (surrogate.luck(expected, 1, 2) == surrogate.luck(expected, 1, 2)).all()


def test_a_plan_is_deterministic_and_covers_the_space():
    jobs = plan(SHORT, 64)
    assert jobs == plan(SHORT, 128)[:64]
    assert all(domain.contains(job.params[name]) for job in jobs for name, domain in SPACE.items())
    assert sum(job.params["loss"] == "bce" for job in jobs) == 32
    assert sum(job.params["lr"] < 10**-3.5 for job in jobs) == 32
    assert len({job.config().seed for job in jobs}) == 64


def test_a_recording_resumes_from_complete_outcomes_of_the_same_plan(tmp_path):
    jobs = plan(SHORT, 3)
    outcomes = [Outcome(job.number, job.config().model_dump(), [(125, 9.0)]) for job in jobs]
    outcomes[1].config["steps"] = 7
    lines = [json.dumps(vars(outcome)) for outcome in outcomes]
    (tmp_path / "work.jsonl").write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:50]}")
    found = recorded(tmp_path / "work.jsonl", jobs)
    assert list(found) == [0]
    assert found[0].reports == [[125, 9.0]]


def test_the_worst_fid_replaces_missing_reports_of_diverged_trials(tmp_path):
    steps = [125 * report for report in range(1, REPORTS + 1)]
    reports = [[(step, 100.0 + step) for step in steps], [(125, 50.0)], []]
    write(
        [
            Outcome(job.number, job.config().model_dump(), each, None if len(each) == REPORTS else 200)
            for job, each in zip(plan(SHORT, 3), reports, strict=True)
        ],
        tmp_path / "trials.parquet",
    )
    recording = load(tmp_path / "trials.parquet")
    assert recording.n_diverged == 2
    assert np.exp(recording.curves[1, :2]) == pytest.approx([50, 2100])
    assert np.exp(recording.curves[2]) == pytest.approx(np.full(REPORTS, 2100))
    assert recording.facts["precision"] in {"bf16", "fp32"}
