"""A sweep of a training loop of the user's own, from its file to its leaderboard."""

import json
from pathlib import Path
from shutil import copyfile

import pytest
from mlflow import MlflowClient

import sweeps
from tests.e2e.commands import board, gan_sweep, killed_after, workplace_in

LOOPS = Path(__file__).parents[1] / "gan_core" / "loops_with_parameters.py"
FILE = """\
name: mine
train: mine:train
method: random
trials: 3
checkpoint_every: 0
parameters:
  gamma: {distribution: log_uniform_values, min: 0.1, max: 10}
  width: {values: [32, 64]}
  steps: 6
  report_every: 2
  eval_samples: 200
  final_samples: 200
early_terminate: {type: none}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    copyfile(LOOPS, folder / "mine.py")
    (folder / "mine.yaml").write_text(FILE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(workplace):
    done = gan_sweep("mine.yaml", "--allow-imports", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_loop_is_searched_and_ranked_by_its_own_hyperparameters(finished, workplace):
    assert finished["trials"] == {"completed": 3}
    sweep = sweeps.load("mine", workplace / "results")
    baseline = sweep.trials[sweep.trials["is_baseline"]].iloc[0]
    assert (baseline["gamma"], baseline["width"], baseline["lr"]) == (1.0, 64, 2e-4)
    assert sweep.rank()["fid"].notna().all()
    assert set(sweep.importances()["parameter"]) == {"gamma", "width"}
    assert "mean_loss" in sweep.history.columns
    ranked = gan_sweep("rank", "mine", "--format", "json", "--where", "gamma == 1.0", cwd=workplace)
    assert [row["trial_id"] for row in json.loads(ranked.stdout)] == [baseline["trial_id"]]


def test_mlflow_has_the_loops_hyperparameters_and_metrics(finished, workplace):
    client = MlflowClient(f"sqlite:///{workplace / 'results' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "mine"]
    (run,) = client.search_runs([experiment.experiment_id], "params.gamma = '1.0'")
    assert "mean_loss" in run.data.metrics
    assert "architecture" not in run.data.params


def test_a_trial_is_trained_again_bit_for_bit(finished, workplace):
    done = gan_sweep("rerun", "mine", finished["best"]["trial_id"], "--allow-imports", cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line.endswith("as recorded") for line in done.stdout.splitlines())


def test_a_killed_sweep_resumes_to_the_same_leaderboard(finished, workplace):
    name = ("--name", "killed")
    killed_after(2, "killed", "mine.yaml", "--allow-imports", *name, workplace=workplace)
    refused = gan_sweep("resume", "killed", cwd=workplace)
    assert refused.returncode == 2
    assert "the sweep killed cannot be resumed: mine:train names code" in refused.stderr
    done = gan_sweep("resume", "killed", "--allow-imports", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert board(workplace, "killed") == board(workplace, "mine")
