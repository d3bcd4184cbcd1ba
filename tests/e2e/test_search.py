"""Finite spaces, time budgets, reruns and warm starts on real digits."""

import json

import optuna
import pytest

import sweeps
from sweeps.search.study import bring_up
from tests.e2e.commands import gan_sweep, workplace_in

GRID = """\
name: grid
method: grid
metric: [fid, images_per_s]
parameters:
  loss: lsgan
  penalty: {values: [none, r1]}
  penalty_weight: {value: 5, when: {penalty: r1}}
  lr: {values: [3e-4, 1e10]}
  steps: 20
  report_every: 10
  batch_size: 16
  eval_samples: 200
  final_samples: 200
early_terminate: {type: none}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return workplace_in(tmp_path_factory, grid=GRID)


@pytest.fixture(scope="module")
def finished(workplace):
    done = gan_sweep("grid.yaml", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_finite_space_is_tried_once_and_diverged_trials_count_as_the_worst(finished, workplace):
    assert finished["status"] == "completed"
    assert finished["trials"] == {"completed": 2, "diverged": 2}
    bring_up(workplace / "results" / "grid")
    study = optuna.load_study(
        study_name="grid", storage=f"sqlite:///{workplace / 'results' / 'grid' / 'study.db'}"
    )
    trials = [(trial.state.name, "diverged" in trial.user_attrs, trial.values) for trial in study.trials]
    fids = [values[0] for state, diverged, values in trials if state == "COMPLETE" and not diverged]
    penalties = [values[0] for state, diverged, values in trials if state == "COMPLETE" and diverged]
    assert len(fids) == len(penalties) == 2
    assert max(penalties) >= max(fids) or min(penalties) >= min(fids)
    assert "RUNNING" not in {state for state, _, _ in trials}


def test_the_leaderboard_has_the_pareto_front_and_leaves_unset_parameters_empty(finished, workplace):
    rows = json.loads(gan_sweep("rank", "grid", "--format", "json", cwd=workplace).stdout)
    assert [row["status"] for row in rows] == ["completed", "completed", "diverged", "diverged"]
    assert any(row["pareto"] for row in rows[:2])
    assert not any(row["pareto"] for row in rows[2:])
    assert {row["penalty"]: row["penalty_weight"] for row in rows} == {"none": None, "r1": 5}


def test_rerun_repeats_a_trial_bit_for_bit(finished, workplace):
    done = gan_sweep("rerun", "grid", finished["best"]["trial_id"], cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 10", "step 20"]
    assert all(line.endswith("as recorded") for line in lines)
    unknown = gan_sweep("rerun", "grid", "grid-0009", cwd=workplace)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no trial 'grid-0009' in the sweep grid; allowed: grid-0000" in unknown.stderr


@pytest.mark.slow
def test_a_sweep_ends_with_its_best_trial_when_its_time_budget_is_used_up(workplace):
    endless = ("--set", "method=random", "--set", "parameters.lr.values=[3e-4, 4e-4]")
    settings = ("--set", "parameters.steps=100000", "--name", "endless", "--time-budget", "25s")
    done = gan_sweep("grid.yaml", *endless, *settings, "--json", cwd=workplace)
    summary = json.loads(done.stdout)
    assert "The time budget is used up" in done.stderr
    assert summary["status"] == "interrupted"
    assert summary["trials"].keys() == {"interrupted"}
    assert summary["best"]["fid"] > 0
    assert done.returncode == 0


def test_a_sweep_starts_from_the_ranks_of_one_with_other_scores(finished, workplace):
    warm = ("grid.yaml", "--warm-start", "grid", "--name", "ranks", "--set", "parameters.steps=30")
    other = ("--set", "parameters.penalty=none", "--set", "parameters.lr={min: 1e-4, max: 1e-3}")
    other += ("--set", "parameters.beta1.values=[0.1, 0.2]", "--set", "method=random", "--trials", "2")
    done = gan_sweep(*warm, *other, "--set", "parameters.penalty_weight=1", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "the scores of grid are not comparable with the new ones (penalty was" in done.stderr
    assert "Instead, this sweep first tries 1 of the best configurations of grid" in done.stderr
    trials = sweeps.load("ranks", workplace / "results").trials
    assert trials[["lr", "beta1"]].to_numpy().tolist() == [[3e-4, 0.5], [3e-4, 0.2]]


def test_a_warm_start_from_comparable_scores_gives_them_to_the_sampler(finished, workplace):
    warm = ("grid.yaml", "--warm-start", "grid", "--name", "warm")
    done = gan_sweep(*warm, "--trials", "1", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    bring_up(workplace / "results" / "warm")
    study = optuna.load_study(
        study_name="warm", storage=f"sqlite:///{workplace / 'results' / 'warm' / 'study.db'}"
    )
    assert len(study.trials) == 4 + 1
