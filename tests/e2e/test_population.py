"""Population based training on real digits: trials take over each other's weights."""

import json
import os

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

import sweeps
from sweeps.search.study import bring_up
from sweeps.tracking.store import Store
from tests.e2e.commands import board, gan_sweep, killed_after, workplace_in

POPULATION = f"""\
name: population
method: random
trials: 4
parameters:
  loss: bce
  lr: {{distribution: log_uniform_values, min: 1e-5, max: 1e-2}}
  lr_d: {{distribution: log_uniform_values, min: 1e-4, max: 1e-2}}
  beta1: {{min: 0.0, max: 0.8}}
  d_steps: {{values: [1, 2]}}
  steps: 60
  report_every: 10
  batch_size: 16
  eval_samples: 200
  final_samples: 200
early_terminate: {{type: pbt, min_iter: 2, eta: 2}}
resources: {{cpu: {os.cpu_count()}}}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return workplace_in(tmp_path_factory, spec=POPULATION)


@pytest.fixture(scope="module")
def sweep(workplace):
    done = gan_sweep("spec.yaml", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert " continues from population-" in done.stderr
    return sweeps.load("population", workplace / "results")


def test_all_trials_complete_and_some_take_over_weights(sweep):
    assert set(sweep.trials["status"]) == {"completed"}
    assert set(sweep.trials["step"]) == {60}
    took_over = sweep.trials.set_index("trial_id")["took_over"]
    assert took_over["population-0000"] == ""
    assert took_over.astype(bool).any()
    for trial_id in sweep.trials["trial_id"]:
        for each in sweep.take_overs_of(trial_id):
            assert each["step"] % 20 == 0
            assert 1e-5 <= each["params"]["lr"] <= 1e-2
            assert 0 <= each["params"]["beta1"] <= 0.8
            assert each["params"]["d_steps"] in {1, 2}
            assert each["trial_id"] != trial_id


def test_the_best_step_is_after_the_last_take_over(sweep):
    for row in sweep.trials.to_dict("records"):
        last = max((each["step"] for each in sweep.take_overs_of(row["trial_id"])), default=0)
        assert row["best_step"] > last
        reports = sweep.history.query("trial_id == @row['trial_id'] and step == @row['best_step']")
        assert reports["fid"].item() == row["search_fid"]


def test_a_trial_is_pruned_in_the_study_once_it_takes_over_weights(sweep, workplace):
    bring_up(sweep.folder)
    study = optuna.load_study(study_name="population", storage=f"sqlite:///{sweep.folder / 'study.db'}")
    assert len(study.trials) == 3  # the baseline's lr_d is unset, which lies outside of the space
    for trial in study.trials:
        take_overs = sweep.take_overs_of(trial.user_attrs["trial_id"])
        assert trial.state is (TrialState.PRUNED if take_overs else TrialState.COMPLETE)
        changed = bool(take_overs) and take_overs[-1]["params"] != trial.params
        assert changed == bool(take_overs)


def test_mlflow_shows_take_overs(sweep, workplace):
    client = MlflowClient(Store.beside(workplace / "results").uri)
    runs = client.search_runs([client.get_experiment_by_name("population").experiment_id])
    for run in runs:
        take_overs = sweep.take_overs_of(run.data.tags["trial_id"]) if "trial_id" in run.data.tags else []
        if take_overs:
            last = take_overs[-1]
            assert run.data.tags["taken_over"] == f"{last['trial_id']} at step {last['step']}"
            assert run.data.metrics["lr"] == last["params"]["lr"]
        assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_population(sweep, workplace):
    again = gan_sweep("spec.yaml", "--name", "again", "--quiet", cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert board(workplace, "again") == board(workplace, "population")


def test_rerun_refuses_a_trial_that_took_over_weights(sweep, workplace):
    changed = sweep.trials.loc[sweep.trials["took_over"] != "", "trial_id"].iloc[0]
    refused = gan_sweep("rerun", "population", changed, cwd=workplace)
    assert refused.returncode == 2
    assert "cannot be trained alone: it continued from the weights of population-" in refused.stderr


@pytest.mark.slow
def test_a_killed_population_resumes(workplace):
    killed_after(11, "killed", "spec.yaml", "--name", "killed", workplace=workplace)
    done = gan_sweep("resume", "killed", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == {"completed": 4}
    killed = sweeps.load("killed", workplace / "results")
    assert set(killed.trials["step"]) == {60}
    bring_up(killed.folder)
    study = optuna.load_study(study_name="killed", storage=f"sqlite:///{killed.folder / 'study.db'}")
    assert not study.get_trials(states=(TrialState.RUNNING,))
