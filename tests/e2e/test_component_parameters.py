"""A component with a parameter of its own, from the documentation's file to a rebuilt generator."""

import csv
import json
import os
import re
import sys
from io import StringIO
from pathlib import Path
from subprocess import run

import pytest
from mlflow import MlflowClient

import sweeps
from gan_core import load_generator
from gan_core.imports import imports
from tests.e2e.commands import gan_sweep, workplace_in

DOCS = Path(__file__).parents[2] / "docs" / "search-spaces.md"
SMALL = {
    "method": "grid",
    "parameters.architecture.width.values": "[8, 24]",
    "parameters.lr": "1e-3",
    "parameters.steps": "20",
    "parameters.report_every": "10",
    "parameters.batch_size": "16",
    "parameters.eval_samples": "200",
    "parameters.final_samples": "200",
    "early_terminate": "{type: none}",
}
OPTIONS = ("--allow-imports", *(part for pair in SMALL.items() for part in ("--set", "=".join(pair))))


def block(language, containing):
    text = DOCS.read_text(encoding="utf-8")
    return next(
        each for each in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if containing in each
    )


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    (folder / "mine.py").write_text(block("python", "class Wide"), encoding="utf-8")
    (folder / "width.yaml").write_text(block("yaml", "architecture.width"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(workplace):
    done = gan_sweep("width.yaml", *OPTIONS, "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_preview_needs_permission_and_shows_where_the_parameter_exists(workplace):
    refused = gan_sweep("preview", "width.yaml", "--json", cwd=workplace)
    assert refused.returncode == 2
    (fault,) = refused.stderr.splitlines()
    assert "mine:Wide names code" in fault
    shown = json.loads(gan_sweep("preview", "width.yaml", "--json", *OPTIONS, cwd=workplace).stdout)
    assert shown["distinct"] == 3
    assert shown["searched"]["architecture.width"]["when"] == {"architecture": ["mine:Wide"]}


def test_the_parameter_is_searched_and_ranked(finished, workplace):
    assert finished["trials"] == {"completed": 3}
    condition = ("--where", "architecture.width > 8")
    ranked = gan_sweep("rank", "width", "--format", "csv", *condition, cwd=workplace)
    (row,) = csv.DictReader(StringIO(ranked.stdout))
    assert (row["architecture"], float(row["architecture.width"])) == ("mine:Wide", 24)
    sweep = sweeps.load("width", workplace / "results")
    widths = sweep.rank().set_index("architecture")["architecture.width"]
    assert widths.isna()["mlp"]
    assert sorted(widths["mine:Wide"]) == [8, 24]
    assert "architecture.width" in set(sweep.importances()["parameter"])
    page = (workplace / "results" / "width" / "report.html").read_text(encoding="utf-8")
    assert "architecture.width" in page


def test_mlflow_has_the_parameter(finished, workplace):
    client = MlflowClient(f"sqlite:///{workplace / 'results' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "width"]
    found = client.search_runs([experiment.experiment_id], "params.`architecture.width` = '24'")
    assert [each.data.params["architecture.activation"] for each in found] == ["relu"]


def test_a_trial_is_trained_again_and_its_generator_exported_and_rebuilt(finished, workplace, monkeypatch):
    sweep = sweeps.load("width", workplace / "results")
    row = sweep.trials[sweep.trials["architecture.width"] == 24].iloc[0]
    again = gan_sweep("rerun", "width", row["trial_id"], "--allow-imports", cwd=workplace)
    assert again.returncode == 0, again.stdout + again.stderr
    done = gan_sweep(
        "export",
        "width",
        "--trial",
        row["trial_id"],
        "--out",
        "out",
        "--force",
        "--allow-imports",
        cwd=workplace,
    )
    assert done.returncode == 0, done.stderr
    config = json.loads((workplace / "out" / "config.json").read_text(encoding="utf-8"))["config"]
    assert config["architecture.width"] == 24
    assert "| architecture.width | 24 |" in (workplace / "out" / "README.md").read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    with imports(allowed=True):
        generator = load_generator(workplace / "out" / "generator.safetensors", allow_imports=True)
    del sys.modules["mine"]
    assert generator.network[0].out_features == 24
    code = os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])
    drawn = run([sys.executable, "out/draw.py"], cwd=workplace, env={"PYTHONPATH": code}, check=False)
    assert drawn.returncode == 0
