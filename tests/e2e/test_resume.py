"""Sweeps on real digits resume after a kill, an interruption or the end of their time budget."""

import json
import os
import signal
import subprocess
import time

import optuna
import pytest
from mlflow import MlflowClient

import sweeps
from gan_core import TrialConfig, load_dataset, train
from gan_core.checkpoint import previous_checkpoint
from sweeps.record.layout import checkpoint_file
from sweeps.record.ledger import Ledger
from sweeps.record.reading import read_ledger
from sweeps.search.study import bring_up
from sweeps.tracking.store import Store
from tests.e2e.commands import COMMAND, board, gan_sweep, killed_after, n_reports, workplace_in

ONE_AT_A_TIME = f"""\
name: whole
trials: 4
parameters:
  loss: {{values: [bce, lsgan]}}
  lr: {{distribution: log_uniform_values, min: 1e-4, max: 1e-2}}
  steps: 60
  report_every: 10
  batch_size: 64
  eval_samples: 500
  final_samples: 500
early_terminate: {{type: asha, min_iter: 1, eta: 2}}
checkpoint_every: 0s
resources: {{cpu: {os.cpu_count()}}}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return workplace_in(tmp_path_factory, spec=ONE_AT_A_TIME)


@pytest.fixture(scope="module")
def whole(workplace):
    done = gan_sweep("spec.yaml", "--quiet", cwd=workplace)
    assert (done.returncode, done.stderr) == (0, "")
    assert "gan-sweep rank whole" in done.stdout
    return board(workplace, "whole")


def test_a_sweep_that_was_killed_twice_ends_like_an_unbroken_one(workplace, whole):
    for command, reports in ((["spec.yaml", "--name", "killed"], 4), (["resume", "killed"], 9)):
        killed_after(reports, "killed", *command, workplace=workplace)
    before = sweeps.load("killed", workplace / "results")
    states = dict(zip(before.trials["trial_id"], before.trials["status"], strict=True))
    assert "running" not in states.values()
    assert "interrupted" in states.values()
    done = gan_sweep("resume", "killed", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert board(workplace, "killed") == whole

    again = trained_again(before.history, sweeps.load("killed", workplace / "results").history)
    assert all(states[trial_id] == "interrupted" for trial_id, _ in again)
    assert len(again) <= 1

    bring_up(workplace / "results" / "killed")
    study = optuna.load_study(
        study_name="killed", storage=f"sqlite:///{workplace / 'results' / 'killed' / 'study.db'}"
    )
    assert not study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert not list((workplace / "results" / "killed" / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_checkpoint_with_other_hyperparameters_falls_back_to_the_previous_one(workplace, whole):
    killed_after(2, "changed", "spec.yaml", "--name", "changed", workplace=workplace)
    folder = workplace / "results" / "changed"
    [unfinished] = [row for row in read_ledger("changed", folder.parent).trials if row["status"] == "running"]
    file, config = checkpoint_file(folder, unfinished["trial_id"]), TrialConfig(**unfinished["config"])
    for generation in (file, previous_checkpoint(file)):
        generation.unlink(missing_ok=True)
    other = config.model_copy(update={"lr": 1e-5})
    for each, generation in ((config, previous_checkpoint(file)), (other, file)):
        made = workplace / f"changed-{each.lr}"
        next(train(each, load_dataset("mnist-5k"), checkpoint=made, checkpoint_every_s=0))
        made.replace(generation)
    done = gan_sweep("resume", "changed", "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert board(workplace, "changed") == whole
    rows = {row["trial_id"]: row for row in read_ledger("changed", folder.parent).trials}
    [mishap] = rows[unfinished["trial_id"]]["mishaps"]
    reason = (
        f"differs in lr (checkpoint: 1e-05, this run: {config.lr}); resuming from the previous checkpoint"
    )
    assert reason in mishap["reason"]


def test_a_signal_to_all_processes_stops_a_sweep_in_order(workplace):
    with started("ended", workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        os.killpg(driver.pid, signal.SIGTERM)
        shown, errors = driver.communicate(timeout=120)
    assert driver.returncode == 128 + signal.SIGTERM
    assert "gan-sweep resume ended" in shown
    assert "GCS" not in errors
    statuses = {row["status"] for row in read_ledger("ended", workplace / "results").trials}
    assert statuses <= {"completed", "pruned", "interrupted"}
    assert "interrupted" in statuses


@pytest.mark.slow
def test_a_sweep_that_is_killed_while_a_signal_stops_it_resumes(workplace, whole):
    with started("twofold", workplace) as driver:
        os.killpg(driver.pid, signal.SIGTERM)
        time.sleep(0.2)
        os.killpg(driver.pid, signal.SIGKILL)
    done = gan_sweep("resume", "twofold", "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert board(workplace, "twofold") == whole


def started(name, workplace, **options):
    """Start a sweep in a process group of its own, and return its process after the first report."""
    command = [COMMAND, "spec.yaml", "--name", name]
    process = subprocess.Popen(command, cwd=workplace, start_new_session=True, **options)
    while n_reports(workplace, name) == 0:
        assert process.poll() is None
        time.sleep(0.05)
    return process


def trained_again(before, after):
    """Return the trial and step of each report that was made twice: its speed differs."""
    speeds, since = (each.set_index(["trial_id", "step"])["images_per_s"] for each in (before, after))
    return [index for index, speed in speeds.items() if since.loc[index] != speed]


def test_mlflow_has_one_run_per_trial_of_a_killed_sweep(workplace, whole):
    assert gan_sweep("sync", "killed", cwd=workplace).returncode == 0
    client = MlflowClient(Store.beside(workplace / "results").uri)
    experiment = client.get_experiment_by_name("killed")
    runs = client.search_runs([experiment.experiment_id])
    names = sorted(run.data.tags.get("trial_id", "parent") for run in runs)
    assert names == ["killed-0000", "killed-0001", "killed-0002", "killed-0003", "parent"]
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    for run in runs:
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "fid")]
        assert steps == sorted(steps)


@pytest.mark.slow
def test_a_sweep_that_was_killed_after_its_last_trial_is_completed_by_resume(workplace, whole):
    record = read_ledger("whole", workplace / "results")
    Ledger(record.folder, record.facts["spec"]).abandon()
    assert read_ledger("whole", workplace / "results").facts["status"] != "completed"
    done = gan_sweep("resume", "whole", "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert read_ledger("whole", workplace / "results").facts["status"] == "completed"
    assert board(workplace, "whole") == whole


def test_resume_leaves_a_finished_sweep_unless_asked_for_more_trials(workplace, whole):
    again = gan_sweep("resume", "whole", "--json", cwd=workplace)
    assert again.returncode == 0
    assert sum(json.loads(again.stdout)["trials"].values()) == 4
    assert board(workplace, "whole") == whole
    more = gan_sweep("resume", "whole", "--trials", 5, "--json", cwd=workplace)
    assert more.returncode == 0, more.stderr
    assert sum(json.loads(more.stdout)["trials"].values()) == 5


@pytest.mark.slow
def test_a_sweep_out_of_time_resumes_with_a_new_budget(workplace):
    long = ("--set", "parameters.steps=300", "--set", "parameters.report_every=60", "--trials", 2)
    named = ("--name", "short", "--time-budget", "5s", "--json")
    first = gan_sweep("spec.yaml", *long, *named, cwd=workplace)
    assert json.loads(first.stdout)["status"] == "interrupted", first.stderr
    second = gan_sweep("resume", "short", "--time-budget", "10m", "--json", cwd=workplace)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["status"] == "completed"


@pytest.mark.slow
def test_a_second_process_cannot_run_the_same_sweep(workplace):
    command = [COMMAND, "spec.yaml", "--name", "twice", "--quiet"]
    with subprocess.Popen(command, cwd=workplace) as first:
        while n_reports(workplace, "twice") == 0:
            assert first.poll() is None
            time.sleep(0.05)
        second = gan_sweep("resume", "twice", cwd=workplace)
        first.send_signal(signal.SIGINT)
    assert second.returncode == 2
    assert "the sweep twice is running in another process" in second.stderr
    assert first.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resume", "nowhere"], "no sweep 'nowhere' in results"),
        (["resume", "whole", "--trials", "0"], "greater than or equal to 1"),
        (
            ["resume", "whole", "--time-budget", "soon"],
            "--time-budget soon: time_budget is 'soon': expected seconds",
        ),
        (["spec.yaml", "--name", "whole"], "type gan-sweep resume whole to continue it"),
    ],
)
def test_faulty_arguments_of_resume_are_refused(workplace, whole, arguments, message):
    done = gan_sweep(*arguments, cwd=workplace)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
