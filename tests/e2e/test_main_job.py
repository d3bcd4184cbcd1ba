"""The real command trains on real digits, as a user types it."""

import json
import re
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

import sweeps
from sweeps.record.layout import sweep_names
from sweeps.tracking.store import Store
from tests.e2e.commands import COMMAND, gan_sweep
from tests.gan_core.idx import write_mnist

SPACE = Path(__file__).parents[2] / "search_spaces" / "losses.yaml"
QUICK = [
    *("--set", "parameters.steps=60", "--set", "parameters.report_every=20"),
    *("--set", "parameters.eval_samples=200", "--set", "parameters.batch_size=32"),
    *("--set", "parameters.final_samples=300"),
]
SEARCHED = {"loss", "noise_dim", "lr", "beta1", "leaky_slope"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with modules named like modules that workers import; no command may run them."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in ("PIL", "mlflow", "pandas", "pyarrow", "random", "ray", "scipy", "torchmetrics"):
        (folder / f"{name}.py").write_text("raise SystemExit('foreign code ran')\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(workplace):
    """A finished sweep, run with --json."""
    done = gan_sweep(SPACE, "--trials", 4, *QUICK, "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return done


def test_stdout_is_one_json_document(finished):
    summary = json.loads(finished.stdout)
    assert summary["name"] == "losses"
    assert sum(summary["trials"].values()) == 4
    assert set(summary["trials"]) <= {"completed", "pruned"}
    assert summary["best"]["fid"] <= summary["baseline"]["fid"]
    assert summary["best"]["params"].keys() >= SEARCHED
    assert summary["baseline"]["params"].keys() >= SEARCHED
    assert summary["baseline"]["trial_id"] == "losses-0000"
    assert 0 < summary["fid_floor"] == summary["floors"]["fid"] < summary["best"]["fid"]
    assert summary["best"]["samples"] == 300
    assert summary["best"]["scores"].keys() == summary["floors"].keys() | {"memorisation", "copies"}


def test_without_a_terminal_progress_is_plain_lines_without_output_of_libraries(finished):
    lines = finished.stderr.splitlines()
    assert (
        sum(
            re.match(r"\[\d/4\] losses-000\d (completed|stopped early) at step \d+ fid ", line) is not None
            for line in lines
        )
        == 4
    )
    noise = [
        line
        for line in lines
        if not line.startswith(
            ("[", "Comparing", "Starting", "The classifier", "Loading", "Writing", "Uploading")
        )
    ]
    assert noise == []


def test_the_leaderboard_lists_every_trial_in_each_format(finished, workplace):
    records = json.loads(gan_sweep("rank", "losses", "--format", "json", cwd=workplace).stdout)
    assert [record["rank"] for record in records] == [1, 2, 3, 4]
    assert {"rank", "trial_id", "status", "fid", "gain"} | SEARCHED <= records[0].keys()
    final = [record["fid"] for record in records if record["samples"] == 300]
    others = [record["fid"] for record in records if record["samples"] == 200]
    assert [record["fid"] for record in records] == sorted(final) + sorted(others)
    assert final[0] == json.loads(finished.stdout)["best"]["fid"]

    csv = pd.read_csv(StringIO(gan_sweep("rank", "losses", "--format", "csv", cwd=workplace).stdout))
    assert csv["trial_id"].tolist() == [record["trial_id"] for record in records]

    table = gan_sweep("rank", "losses", "--top", 2, cwd=workplace).stdout
    assert table.count("losses-000") == 2


def test_mlflow_has_the_parent_run_and_the_trials_with_histories_and_grids(finished, workplace):
    client = MlflowClient(Store.beside(workplace / "results").uri)
    experiment = client.get_experiment_by_name("losses")
    runs = client.search_runs([experiment.experiment_id])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.info.status == "FINISHED"
    assert len(children) == 4
    history = sweeps.load("losses", workplace / "results").history
    for child in children:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status in {"FINISHED", "KILLED"}
        expected = history[history["trial_id"] == child.data.tags["trial_id"]]
        assert ("final_fid" in child.data.metrics) == (child.info.status == "FINISHED")
        logged = client.get_metric_history(child.info.run_id, "fid")
        assert [(metric.step, metric.value) for metric in logged] == list(
            zip(expected["step"], expected["fid"], strict=True)
        )
        grids = [file.path for file in client.list_artifacts(child.info.run_id, "images")]
        assert sum(path.endswith(".png") for path in grids) == len(expected)


def test_the_samples_of_every_report_are_kept(finished, workplace):
    sweep = sweeps.load("losses", workplace / "results")
    reports = sweep.history[["trial_id", "step"]].itertuples(index=False)
    assert all(sweep.samples_file(trial_id, step).exists() for trial_id, step in reports)


def test_the_report_is_written_and_names_the_environment(finished, workplace):
    page = (workplace / "results" / "losses" / "report.html").read_text(encoding="utf-8")
    assert "is the best of 4 trials" in page
    assert f"<dd>{version('torch')}</dd>" in page


def test_a_taken_name_is_refused(finished, workplace):
    taken = gan_sweep(SPACE, "--name", "losses", cwd=workplace)
    assert (taken.returncode, taken.stdout) == (2, "")
    assert "there is a sweep 'losses'" in taken.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: there is no such file"),
        ([SPACE, "--set", "parameters.los.value=bce"], "unknown parameter 'los'; allowed: "),
        ([SPACE, "--trials", 0], "--trials 0: trials is 0"),
        ([SPACE, "--name", "../x"], "--name ../x: "),
        ([SPACE, "--results", SPACE], "losses.yaml is no writable folder; choose another: --results DIR"),
        ([SPACE, "--results", "what?"], "what?: a path with ?, # or % cannot hold databases"),
        ([SPACE, "--set", "resources.cpu=4000"], "resources.cpu is 4000, for each trial: expected "),
        (["rank", "nothing"], "no sweep 'nothing' in results"),
        (["ui"], "results has no MLflow database yet"),
    ],
)
def test_bad_input_starts_and_writes_nothing(tmp_path, arguments, message):
    done = gan_sweep(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


MINE = """
import torch
from gan_core.architectures.mlp import MLP
from gan_core.extractors import Extractor
from gan_core.losses.lsgan import LeastSquares

print("imported")

class Pair(MLP):
    pass

class Tiles(Extractor):
    def network(self, weights):
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten())

class Scaled(LeastSquares):
    @staticmethod
    def generator(real_logits, fake_logits):
        return 0.5 * LeastSquares.generator(real_logits, fake_logits)
"""


def test_own_components_train_on_a_cached_torchvision_dataset(tmp_path):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    write_mnist(tmp_path / "cache")
    own = ["dataset=mnist", "parameters.architecture=mine:Pair", "parameters.loss=mine:Scaled"]
    own += ["extractor=mine:Tiles", "reference=train"]
    options = ["--allow-imports", "--trials", 1, *(part for each in own for part in ("--set", each))]
    done = gan_sweep(SPACE, *QUICK, *options, "--json", cwd=tmp_path, GAN_SWEEP_CACHE="cache")
    assert done.returncode == 0, done.stderr
    assert "Loading mnist and its mine:Tiles\n" in done.stderr
    assert json.loads(done.stdout)["trials"] == {"completed": 1}
    sweep = sweeps.load("losses", tmp_path / "results")
    (trial,) = sweep.trials.to_dict("records")
    assert (trial["architecture"], trial["loss"]) == ("mine:Pair", "mine:Scaled")
    assert (sweep.facts["spec"]["dataset"], sweep.facts["spec"]["reference"]) == ("mnist", "train")
    assert sweep.summary()["accuracy"] is None


BROKEN = """
import time
import torch
from gan_core.losses.hinge import Hinge

class PerImage(Hinge):
    @staticmethod
    def generator(real_logits, fake_logits):
        return -fake_logits

def unlucky():
    return {}["images"]

def slow():
    time.sleep(100)
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["parameters.loss.values=[hinge, 'broken:PerImage']"],
            "loss 'broken:PerImage': the generator's loss must be torch.float32 (), got torch.float32 (8, 1)"
            "\n",
        ),
        (["dataset=broken:unlucky"], "dataset broken:unlucky: KeyError: 'images'\n"),
        (["dataset=mnist"], "; the dataset mnist-5k needs no download\n"),
    ],
)
def test_faulty_components_and_datasets_are_refused_before_the_sweep(tmp_path, settings, message):
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    options = ["--allow-imports", *(part for setting in settings for part in ("--set", setting))]
    done = gan_sweep(
        SPACE, *QUICK, *options, "--quiet", cwd=tmp_path, GAN_SWEEP_CACHE=str(tmp_path / "cache"), **offline
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(message)
    assert done.stderr.count("\n") == 1
    if settings == ["dataset=mnist"]:
        assert done.stderr.startswith(
            f"mnist is not in {tmp_path}/cache/MNIST/raw and cannot be downloaded ("
        )
    assert not (tmp_path / "results").exists()


def test_a_signal_during_the_loading_of_the_dataset_leaves_no_sweep(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    command = [COMMAND, SPACE, "--set", "dataset=broken:slow", "--allow-imports"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any("Loading broken:slow" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (130, "", "")
    assert not (tmp_path / "results").exists()


@contextmanager
def started(workplace, name, *arguments):
    """Start a sweep, yield its process once it has a trial, and kill it after the block."""
    command = [COMMAND, SPACE, "--name", name, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not (
                name in sweep_names(workplace / "results")
                and len(sweeps.load(name, workplace / "results").trials)
            ):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_sweep_and_keeps_its_trials(workplace, number, code):
    name = f"stopped-{code}"
    long = ["--set", "parameters.steps=100000", "--set", "parameters.report_every=10000"]
    with started(workplace, name, *QUICK, *long) as process:
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=15)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert f"gan-sweep rank {name}" in stdout

    sweep = sweeps.load(name, workplace / "results")
    assert sweep.facts["status"] == "interrupted"
    assert set(sweep.trials["status"]) == {"interrupted"}
    assert len(sweep.rank()) == len(sweep.trials) > 0
    client = MlflowClient(Store.beside(workplace / "results").uri)
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert {run.info.status for run in runs} == {"KILLED"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow)]
)
def test_a_signal_before_the_sweep_begins_leaves_no_sweep(tmp_path, number, code):
    command = [COMMAND, SPACE, *QUICK]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert next(process.stderr) == "Starting Ray\n"
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (code, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_sweeps_at_the_same_time_both_complete(tmp_path):
    command = [COMMAND, SPACE, *QUICK, "--trials", "1", "--json"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    summaries = [json.loads(process.communicate(timeout=240)[0]) for process in both]
    assert sorted(summary["name"] for summary in summaries) == ["losses", "losses-2"]
    client = MlflowClient(Store.beside(tmp_path / "results").uri)
    for summary in summaries:
        runs = client.search_runs([client.get_experiment_by_name(summary["name"]).experiment_id])
        assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]


@pytest.mark.slow
def test_a_flag_in_stop_on_stops_a_trial_and_appears_in_the_leaderboard(workplace):
    still = [
        "--set",
        "parameters.lr=1e-9",
        "--set",
        "parameters.report_every=5",
        "--set",
        "stop_on=[collapse]",
    ]
    done = gan_sweep(SPACE, "--name", "still", "--trials", 2, *QUICK, *still, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "still-0001 stopped early at step 15 fid " in done.stderr
    assert "(collapse since step 5)" in done.stderr
    records = json.loads(gan_sweep("rank", "still", "--format", "json", cwd=workplace).stdout)
    assert [record["step"] for record in records] == [60, 15]
    assert all(record["flags"].startswith("collapse since 5") for record in records)


def test_a_sweep_in_which_every_trial_diverges_has_no_winner(workplace):
    wild = ["--set", "parameters.lr=1e10", "--set", "parameters.loss=lsgan"]
    done = gan_sweep(SPACE, "--name", "wild", "--trials", 2, *wild, cwd=workplace)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 diverged" in done.stdout
    assert sweeps.load("wild", workplace / "results").rank()["rank"].isna().all()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_dashboard_answers_on_loopback_until_it_is_stopped(finished, workplace, number):
    process = subprocess.Popen([COMMAND, "ui"], cwd=workplace, stderr=subprocess.PIPE, text=True)
    try:
        line = next(line for line in process.stderr if "http://" in line)
        address = re.search(r"http://127\.0\.0\.1:\d+", line).group()
        assert "MLflow" in _get(address)
        assert "losses" in _get(f"{address}/ajax-api/2.0/mlflow/experiments/search?max_results=50")
    finally:
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        _get(address)


def _get(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()
