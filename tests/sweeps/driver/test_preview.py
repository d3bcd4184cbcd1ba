import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from gan_core.imports import imports
from sweeps.driver import preview
from sweeps.driver.preview import TABLE_WIDTH, as_json, print_preview
from sweeps.spec.reading import load_spec
from tests.sweeps.spec.test_space import CONDITIONAL
from tests.sweeps.specs import GOOD, write

COMMAND = Path(sys.executable).with_name("gan-sweep")
HEAVY = {"torch", "ray", "optuna", "mlflow", "pandas"}


def run(*arguments, folder, options=()):
    command = [sys.executable, *options, COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [["preview", "spec.yaml", "--json"], ["schema"]])
def test_it_imports_nothing_heavy_and_writes_nothing(tmp_path, arguments):
    write(tmp_path, CONDITIONAL)
    done = run(*arguments, folder=tmp_path, options=["-X", "importtime"])
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert not imported & HEAVY
    assert json.loads(done.stdout)
    assert [file.name for file in tmp_path.iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["preview", "spec.yaml"],
        ["preview", "spec.yaml", "--trials", "4"],
        ["spec.yaml", "--dry-run", "--trials", "4"],
    ],
)
def test_it_shows_the_space_examples_of_it_and_what_it_costs(tmp_path, arguments):
    write(tmp_path, CONDITIONAL)
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    tree, table = done.stdout.split("Drawn at random")
    assert "penalty: none, gradient-penalty, r1" in tree
    assert "│   └── d_steps: 1, 5  where penalty_weight is 10" in tree or "└── d_steps: 1, 5" in tree
    rows, costs = table.split("distinct")
    assert len(rows.strip().splitlines()) == 11
    trials = "4" if "--trials" in arguments else None
    assert f"7 configurations: {f'{trials} of them will' if trials else 'each will'} be trained" in costs
    assert "steps/s now" in costs
    assert "MB in results" in costs
    assert [file.name for file in tmp_path.iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize(
    ("trials", "expected", "most"),
    [
        (2, "1 of them will be trained, and the defaults, which lie outside of the space", 2),
        (3, "each will be trained once, and the defaults, which lie outside of the space", 3),
        (9, "each will be trained once, and the defaults, which lie outside of the space", 3),
    ],
)
def test_defaults_outside_the_space_take_a_trial_of_their_own(tmp_path, trials, expected, most):
    spec = load_spec(
        write(tmp_path, f"name: tiny\ntrials: {trials}\nparameters:\n  lr: {{values: [0.01, 0.1]}}\n")
    )
    shown = StringIO()
    print_preview(spec, Console(file=shown, width=TABLE_WIDTH))
    assert f"2 configurations: {expected}" in shown.getvalue()
    assert spec.max_trials == most


def test_a_fault_is_reported_as_by_a_run(tmp_path):
    write(tmp_path, "name: tiny\n")
    done = run("preview", "spec.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "spec.yaml:1:1: missing key 'parameters'" in done.stderr


@pytest.mark.parametrize(
    ("confirm", "trials", "line", "expected"),
    [
        (
            "{top: 3, seeds: 3}",
            24,
            "4 configurations on 3 fresh seeds, 12 trainings: 240 steps",
            {"trainings": 12, "steps": 240, "most_trainings": 12, "most_steps": 240},
        ),
        (
            "{top: 3, seeds: 2}",
            3,
            "3 configurations on 2 fresh seeds, 6 trainings: 120 steps",
            {"trainings": 6, "steps": 120, "most_trainings": 6, "most_steps": 120},
        ),
        (
            "{top: 1, seeds: 2, until_resolved: true, max_seeds: 5}",
            24,
            "2 configurations on 2 fresh seeds, 4 trainings, up to 10: 80 steps, up to 200",
            {"trainings": 4, "steps": 80, "most_trainings": 10, "most_steps": 200},
        ),
    ],
)
def test_a_confirmation_is_counted(tmp_path, confirm, trials, line, expected):
    spec = load_spec(write(tmp_path, f"{GOOD.replace('trials: 3', f'trials: {trials}')}confirm: {confirm}\n"))
    assert f"confirm   {line}\n" in printed(spec)
    assert as_json(spec)["confirmation"].items() >= expected.items()
    without = spec.model_copy(update={"confirm": None})
    assert "confirm" not in printed(without)
    assert as_json(without)["confirmation"] is None
    assert as_json(spec)["disk_bytes"] > as_json(without)["disk_bytes"]


@pytest.mark.parametrize(
    ("gpu", "n_gpus", "line"),
    [
        ("auto", 1, "1 trials on the GPU and 8 cores"),
        ("0.25", 1, "4 trials on the GPU and 8 cores"),
        ("0.3", 2, "6 trials on the 2 GPUs and 8 cores"),
        ("0.1", 2, "8 trials on the 2 GPUs and 8 cores"),
        ("2", 4, "2 trials on the 4 GPUs and 8 cores"),
        ("0", 4, "8 trials on the 8 cores"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*would be idle")
def test_trials_share_the_gpus_and_cores_of_the_machine(tmp_path, monkeypatch, gpu, n_gpus, line):
    spec = load_spec(write(tmp_path, f"{GOOD}resources: {{cpu: 1, gpu: {gpu}}}\n"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    _, slots, where = preview._trials_at_a_time(spec)
    assert f"{slots} trials on {where}" == f"{line} of this machine"


def test_the_time_of_the_confirmation_is_estimated(tmp_path):
    spec = load_spec(write(tmp_path, f"{GOOD}confirm: {{top: 1, seeds: 2, until_resolved: true}}\n"))
    assert re.search(r", and \d+ \S+ up to \d+ \S+ more for the confirmation[:,] ", printed(spec, timed=True))


@pytest.mark.parametrize(("min_iter", "stops"), [(1, True), (2, False)])
def test_an_estimate_with_stops_needs_a_rung_before_the_last_report(tmp_path, min_iter, stops):
    spec = load_spec(write(tmp_path, GOOD))
    rules = spec.early_terminate.model_copy(update={"min_iter": min_iter})
    shown = printed(spec.model_copy(update={"early_terminate": rules}), timed=True)
    assert ("if one in 3 continues at each rung" in shown) == stops


def test_the_disk_holds_no_more_trials_than_a_finite_space_has_points(tmp_path):
    text = "name: tiny\ntrials: {}\nparameters:\n  lr: {{values: [3e-4, 1e-3]}}\n"
    few, many = (load_spec(write(tmp_path, text.format(trials))) for trials in (2, 200))
    assert as_json(few)["disk_bytes"] == as_json(many)["disk_bytes"]


def test_further_seeds_are_counted(tmp_path):
    further = GOOD.replace("trials: 3", "trials: 16") + "early_terminate: {seeds: 3}\n"
    spec = load_spec(write(tmp_path, further))
    assert "seeds     4 of 16 trials train leading configurations again, at most 3 seeds each" in printed(
        spec
    )
    assert as_json(spec)["further_seeds"] == 4


def test_the_steps_of_a_users_loop_are_timed():
    own = {"train": "tests.gan_core.loops_with_parameters:train", "name": "own", "trials": 40}
    spec = load_spec(own | {"parameters": {"gamma": {"min": 0.5, "max": 2.0}}})
    shown = printed(spec, timed=True)
    assert re.search(r"\ntime +about \d\S* \S+ in all.*: \d+\.\d steps/s now\n", shown)


def test_a_short_sweep_says_that_it_starts_and_ends_too(tmp_path):
    shown = printed(load_spec(write(tmp_path, GOOD)), timed=True)
    assert ", beside about 10 s to start and to end: " in shown
    assert re.search(r"\ndisk +about \d+ MB in results, and up to \d+ MB more while trials run\n", shown)


def printed(spec, timed=False):
    out = StringIO()
    print_preview(spec, Console(file=out, width=TABLE_WIDTH), timed=timed)
    return out.getvalue()


def test_the_examples_of_a_users_sampler_are_said_to_be_drawn_at_random(tmp_path):
    path = "tests.sweeps.search.samplers:Halving"
    with imports(allowed=True):
        spec = load_spec(write(tmp_path, f"method: {path}\n{GOOD}"))
        shown = StringIO()
        print_preview(spec, Console(file=shown, width=TABLE_WIDTH), timed=False)
    assert f"\nexamples  drawn at random: {path} may suggest others\n" in shown.getvalue()
