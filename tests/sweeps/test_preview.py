import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.specs import write
from tests.sweeps.test_space import CONDITIONAL

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


@pytest.mark.parametrize("arguments", [["preview", "spec.yaml"], ["spec.yaml", "--dry-run", "--trials", "4"]])
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
    assert f"7 configurations: {f'{trials} of them will' if trials else 'each will'} be tried" in costs
    assert "steps/s now" in costs
    assert "MB in results" in costs
    assert [file.name for file in tmp_path.iterdir()] == ["spec.yaml"]


def test_a_fault_is_told_as_a_run_would(tmp_path):
    write(tmp_path, "name: tiny\n")
    done = run("preview", "spec.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "spec.yaml:1:1: missing key 'parameters'" in done.stderr
