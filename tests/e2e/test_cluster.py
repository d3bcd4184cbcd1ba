"""Sweeps on Ray clusters of several nodes, each a process on this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
import ray
import torch
from ray.exceptions import RayActorError, RayError

import sweeps
from sweeps.cluster import connection as of_sweeps
from sweeps.cluster import remote
from sweeps.cluster.code import code_of
from sweeps.cluster.shipping import use_import_folders
from sweeps.cluster.worker_log import fetch_worker_log, mark_start
from sweeps.driver import session
from sweeps.driver.rerun import rerun
from sweeps.errors import SweepError
from sweeps.record.reading import read_ledger
from tests.clusters import PatientTrainable, cluster_of
from tests.e2e.commands import COMMAND, gan_sweep, n_reports

LSGAN = Path(__file__).parents[2] / "search_spaces" / "lsgan.yaml"
TRAINED = """\
name: moved
trials: 2
method: random
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  steps: 80
  report_every: 10
  batch_size: 64
  eval_samples: 500
  final_samples: 500
early_terminate: {type: none}
checkpoint_every: 0s
"""
FEW_DIGITS = """\
from dataclasses import replace

from gan_core import load_dataset


def digits():
    with open("{folder}/loads", "a") as loads:
        loads.write("x")
    data = load_dataset("mnist-5k")
    return replace(data, name="few", train=data.train[::40], train_labels=data.train_labels[::40])
"""
NODE = {"num_cpus": 1, "num_gpus": 1}


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(NODE, NODE) as running:
        yield running


def node_ids(trial):
    return [place["node_id"] for place in trial["places"]]


def left_behind(address):
    """Return what a sweep left on a cluster; another process asks, as a process has one token."""
    asked = subprocess.run(
        [sys.executable, "-m", "tests.clusters", address], capture_output=True, text=True, check=True
    )
    return asked.stdout.splitlines()


def test_each_gpu_has_one_trial_at_a_time_and_the_data_is_loaded_once(cluster, tmp_path, monkeypatch):
    (tmp_path / "few.py").write_text(FEW_DIGITS.format(folder=tmp_path), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path / "cache"))
    overrides = {"method": "random", "early_terminate": {"type": "none"}, "confirm": None, "trials": 6}
    steps = {"parameters.steps": {"value": 30}, "parameters.report_every": {"value": 10}}
    overrides["dataset"] = "few:digits"
    with patch.object(session, "GanTrainable", PatientTrainable):
        sweeps.run(
            LSGAN,
            overrides=overrides | steps,
            results=tmp_path,
            address=cluster.address,
            allow_imports=True,
            quiet=True,
        )
    record = read_ledger("lsgan", tmp_path)
    by_device = {}
    for trial in record.trials:
        (place,) = trial["places"]
        (gpu,) = place["gpus"]
        by_device.setdefault((place["node_id"], gpu), []).append((place["at"], trial["ended_at"]))
    assert len(by_device) == 2
    for spans in by_device.values():
        assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(spans)))
    assert record.facts["environment"]["nodes"] == "3"
    assert (tmp_path / "loads").read_text() == "x"
    assert len(list((tmp_path / "lsgan" / "weights").iterdir())) > 0


def import_all():
    """Import a user's loop and what it imports late, and return the files of all that is imported."""
    use_import_folders([])
    loop = import_module("sent_loop")
    return [loop.__file__, loop.late(), import_module("random").__file__, sweeps.__file__]


def refuses():
    raise ValueError("this one never works")


def test_the_folder_of_the_code_reaches_the_workers(cluster, tmp_path, monkeypatch):
    late = "def late():\n    from nets import late_nets\n    return late_nets.__file__\n"
    (tmp_path / "sent_loop.py").write_text(late, encoding="utf-8")
    (tmp_path / "random.py").write_text("raise SystemExit('it hides the one of Python')", encoding="utf-8")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "late_nets.py").write_text("open(__file__[:-7] + '.json')", encoding="utf-8")
    (tmp_path / "nets" / "late_.json").touch()
    (tmp_path / "nets" / "large.bin").touch()
    (tmp_path / ".gitignore").write_text("*.bin\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with of_sweeps.running_cluster(cluster.address, code_of(["sent_loop:train"])):
        found = remote.on_each_node(import_all, check=lambda: None)
        assert len(found) == 3
        for loop, nets, of_python, ours in found.values():
            folder = Path(loop).parent
            assert folder != tmp_path
            assert nets == str(folder / "nets" / "late_nets.py")
            assert "py_modules_files" in str(folder)
            assert {path.name for path in (folder / "nets").glob("l*")} == {"late_.json", "late_nets.py"}
            assert "py_modules_files" not in of_python
            assert "py_modules_files" in ours
        with pytest.raises(SweepError, match=r"node .*: ValueError: this one never works"):
            remote.on_each_node(refuses, check=lambda: None)


def test_a_folder_of_code_that_is_too_large_is_refused_before_anything_is_sent(tmp_path, monkeypatch):
    (tmp_path / "large_loop.py").touch()
    with (tmp_path / "images.npy").open("wb") as file:
        file.truncate(51_000_000)
    monkeypatch.syspath_prepend(tmp_path)
    with (
        pytest.raises(SweepError, match=r"the largest are images.npy \(51 MB\), .*\.gitignore"),
        of_sweeps.running_cluster("127.0.0.1:1", code_of(["large_loop:train"])),
    ):
        pass


class Printing:
    """Prints for one trial after another, and dies."""

    def print(self, *trial_ids):
        for trial_id in trial_ids:
            mark_start(trial_id)
            sys.stdout.write(f"this is {trial_id}\n")
        return ray.get_runtime_context().get_actor_id(), ray.get_runtime_context().get_node_id()

    def die(self):
        os._exit(1)


def test_the_log_of_a_dead_worker_is_fetched_from_its_node_until_the_node_is_gone():
    with cluster_of(NODE) as other, of_sweeps.running_cluster(other.address, code_of([])):
        worker = ray.remote(num_cpus=1)(Printing).remote()
        actor_id, node_id = ray.get(worker.print.remote("tiny-0000", "tiny-0001"))
        assert node_id != remote.own_node_id()
        with pytest.raises(RayActorError):
            ray.get(worker.die.remote())
        assert fetch_worker_log(actor_id, "tiny-0001") == "--- stdout\nthis is tiny-0001\n"
        other.remove_node(other.worker_nodes.copy().pop(), allow_graceful=False)
        with pytest.raises(RayError):
            fetch_worker_log(actor_id, "tiny-0001")
        with pytest.raises(LookupError):
            fetch_worker_log(None, "tiny-0001")


@pytest.mark.slow
def test_a_sweep_resumes_after_a_node_and_the_driver_died_with_the_same_result(cluster, tmp_path):
    (tmp_path / "spec.yaml").write_text(TRAINED, encoding="utf-8")
    on_cluster = ["--address", cluster.address]
    command = ["spec.yaml", *on_cluster, "--storage", "kept"]
    first, _ = cluster.worker_nodes
    with subprocess.Popen([COMMAND, *command, "--quiet"], cwd=tmp_path) as driver:
        wait_for(lambda: n_reports(tmp_path, "moved") >= 4, driver)
        before = n_reports(tmp_path, "moved")
        cluster.remove_node(first, allow_graceful=False)
        wait_for(lambda: any(len(set(node_ids(trial))) == 2 for trial in trials(tmp_path)), driver)
        driver.send_signal(signal.SIGKILL)
    assert n_reports(tmp_path, "moved") > before
    states = list((tmp_path / "kept").glob("moved-*/*.checkpoint"))
    assert states

    done = gan_sweep("resume", "moved", *on_cluster, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == {"completed": 2}
    moved = next(trial for trial in trials(tmp_path) if len(set(node_ids(trial))) == 2)
    sweep = sweeps.load("moved", tmp_path / "results")
    threads = torch.get_num_threads()
    assert all(report.is_equal for report in rerun(sweep, moved["trial_id"]))
    assert torch.get_num_threads() == threads
    assert not list((tmp_path / "kept").iterdir())
    assert not left_behind(cluster.address)


OWN_LOOP = """\
from pathlib import Path

from gan_core import LoopConfig, Snapshot


class Config(LoopConfig):
    brightness: float = 0.5


def train(config: Config, data, device):
    from nets.late import noise
    assert "py_modules_files" in __file__, __file__
    assert (Path(__file__).parent / "nets" / "settings.json").exists()
    sample = noise(config.brightness, data.image_shape)
    yield from (Snapshot(step, sample) for step in range(1, config.steps + 1) if config.reports_at(step))
"""
LATE = """\
import torch


def noise(brightness, shape):
    own = torch.rand(1).item()
    return lambda n, rng: own * brightness * torch.rand(n, *shape, generator=rng)
"""
OF_OWN_LOOP = """\
name: own
train: on_nodes:train
trials: 2
method: random
parameters:
  brightness: {distribution: uniform, min: 0.1, max: 1}
  steps: 3
  report_every: 1
  eval_samples: 200
  final_samples: 200
early_terminate: {type: none}
"""


@pytest.mark.slow
def test_nodes_train_a_users_loop_from_its_folder_as_the_command_found_it(cluster, tmp_path):
    (tmp_path / "nets").mkdir()
    files = {
        "on_nodes.py": OWN_LOOP,
        "nets/late.py": LATE,
        "nets/settings.json": "{}",
        "own.yaml": OF_OWN_LOOP,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = gan_sweep("own.yaml", "--address", cluster.address, "--allow-imports", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == {"completed": 2}
    sweep = sweeps.load("own", tmp_path / "results")
    (version,) = sweep.facts["code"]
    assert [*version["files"]] == ["nets/late.py", "on_nodes.py"]
    assert [sweep.code_of(trial) for trial in sweep.trials["trial_id"]] == [[1], [1]]


def trials(workplace):
    return read_ledger("moved", workplace / "results").trials


def wait_for(condition, process):
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def started(monkeypatch):
    """Yield the process of ``ray start --head`` and its address; end it after the test."""
    folder = Path(tempfile.gettempdir()) / f"gs{os.getpid()}"
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    start = [COMMAND.with_name("ray"), "start", "--head", "--block", "--port=0", "--num-cpus=1"]
    head = subprocess.Popen([*start, "--include-dashboard=false"], stdout=subprocess.DEVNULL)
    recorded = folder / "ray" / "ray_current_cluster"
    try:
        wait_for(recorded.exists, head)
        yield head, recorded.read_text()
    finally:
        head.terminate()
        head.wait()
        shutil.rmtree(folder)


@pytest.mark.slow
def test_a_sweep_finds_the_cluster_of_ray_start_and_leaves_it_running(started, tmp_path):
    head, address = started
    sizes = {"steps": 40, "report_every": 20, "eval_samples": 200, "final_samples": 300}
    settings = [f"--set=parameters.{name}={size}" for name, size in sizes.items()]
    options = ["--address", "auto", "--trials", 2, *settings, "--set=confirm=null", "--json"]
    done = gan_sweep(LSGAN, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(len(node_ids(trial)) == 1 for trial in read_ledger("lsgan", tmp_path / "results").trials)
    assert not left_behind(address)
    assert head.poll() is None
    head.terminate()
    head.wait()
    gone = gan_sweep(LSGAN, "--address", "auto", cwd=tmp_path)
    assert gone.returncode == 2
    assert "ray start --head" in gone.stderr
