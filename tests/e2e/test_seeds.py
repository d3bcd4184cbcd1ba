"""A sweep that trains leading configurations on further seeds resumes after kills, and is confirmed."""

import json
import os

import pytest

import sweeps
from sweeps.spec.model import FIRST_FRESH_SEED
from tests.e2e.commands import board, gan_sweep, killed_after, workplace_in

SEEDS = f"""\
name: whole
trials: 8
parameters:
  lr: {{distribution: log_uniform_values, min: 1e-4, max: 1e-2}}
  steps: 20
  report_every: 10
  batch_size: 16
  eval_samples: 200
  final_samples: 200
early_terminate: {{type: asha, min_iter: 1, eta: 2, seeds: 3}}
keep: 2
checkpoint_every: 0s
resources: {{cpu: {os.cpu_count()}}}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory, spec=SEEDS)
    done = gan_sweep("spec.yaml", "--quiet", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_the_last_trials_are_further_seeds_of_configurations_that_lead(workplace):
    sweep = sweeps.load("whole", workplace / "results")
    assert len(sweep.trials) == 8
    further = sweep.trials[sweep.trials["of"].notna()]
    assert further["trial_id"].tolist() == ["whole-0006", "whole-0007"]
    assert set(further["status"]) == {"completed"}
    assert sweep.trials["seed"].nunique() == 8
    assert sweep.rank()["seeds_in_search"].max() >= 2


def test_a_sweep_with_further_seeds_that_was_killed_twice_ends_like_an_unbroken_one(workplace):
    history = sweeps.load("whole", workplace / "results").history
    n_before = int((~history["trial_id"].isin(["whole-0006", "whole-0007"])).sum())
    for command, reports in (
        (["spec.yaml", "--name", "killed"], n_before - 2),
        (["resume", "killed"], n_before + 2),
    ):
        killed_after(reports, "killed", *command, workplace=workplace)
    rows = sweeps.load("killed", workplace / "results").trials
    assert rows["of"][rows["status"] == "interrupted"].notna().all()
    done = gan_sweep("resume", "killed", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert board(workplace, "killed") == board(workplace, "whole")


def test_a_confirmation_trains_the_best_by_means_on_seeds_that_the_search_has_not_used(workplace):
    done = gan_sweep("confirm", "whole", "--top", 1, "--seeds", 2, "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    sweep = sweeps.load("whole", workplace / "results")
    best = sweep.rank()["trial_id"].iloc[0]
    assert best in set(sweep.replicas["of"])
    assert sweep.trials["seed"].max() < FIRST_FRESH_SEED <= sweep.replicas["seed"].min()
    kept = {file.name.partition(".")[0] for file in (workplace / "results" / "whole" / "weights").iterdir()}
    assert best in kept
