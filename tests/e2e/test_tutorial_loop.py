"""The example of the tutorial's loop, from its file to a confirmed and exported winner."""

from pathlib import Path
from shutil import copytree

import pytest
from mlflow import MlflowClient

import sweeps
from tests.e2e.commands import board, gan_sweep, killed_after, workplace_in

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = {
    "parameters.steps": 8,
    "parameters.report_every": 4,
    "parameters.eval_samples": 200,
    "parameters.final_samples": 200,
    "trials": 2,
    "method": "random",
    "early_terminate": "{type: none}",
    "checkpoint_every": 0,
    "confirm": "{top: 1, seeds: 2}",
}
"""Few steps, and trials that do not depend on the order in which others end."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    copytree(EXAMPLES, folder / "examples")
    return folder


def sweep_of(name):
    """Return the arguments that run the example with few steps."""
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    return ("examples/tutorial.yaml", "--allow-imports", "--name", name, *settings)


def confirmed(workplace, name):
    return sweeps.load(name, workplace / "results").rank(stage="confirm").to_json().replace(name, "")


@pytest.mark.slow
def test_it_ranks_reports_tracks_confirms_and_exports_also_after_two_kills(workplace):
    done = gan_sweep(*sweep_of("whole"), cwd=workplace)
    assert done.returncode == 0, done.stderr
    sweep = sweeps.load("whole", workplace / "results")
    assert sweep.count("completed") == 2
    assert sweep.rank()["fid"].notna().all()
    assert (workplace / "results" / "whole" / "report.html").exists()
    client = MlflowClient(f"sqlite:///{workplace / 'results' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "whole"]
    assert len(client.search_runs([experiment.experiment_id], "params.beta1 != ''")) >= 2
    exported = gan_sweep("export", "whole", "--out", "winner", "--force", "--allow-imports", cwd=workplace)
    assert exported.returncode == 0, exported.stderr
    assert any((workplace / "winner").glob("*.safetensors"))
    killed_after(1, "killed", *sweep_of("killed"), workplace=workplace)
    killed_after(3, "killed", "resume", "killed", "--allow-imports", workplace=workplace)
    resumed = gan_sweep("resume", "killed", "--allow-imports", cwd=workplace)
    assert resumed.returncode == 0, resumed.stderr
    assert board(workplace, "killed") == board(workplace, "whole")
    assert confirmed(workplace, "killed") == confirmed(workplace, "whole")
