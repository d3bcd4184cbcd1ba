import ast
import inspect
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple
from unittest.mock import patch

import psutil
import pytest
import ray
from ray._private.node import Node
from ray.tune import Trainable

from sweeps.cluster import connection, nodes
from sweeps.cluster import resources as of_nodes
from sweeps.cluster.ending_signals import ignore_ending_signals
from sweeps.cluster.storage import Storage
from sweeps.cluster.trainable import Content
from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

ROOT = Path(__file__).parents[3]


@pytest.fixture
def there(monkeypatch):
    """Return a function that makes Ray report nodes with given resources."""

    def nodes_with(*resources):
        alive = [{"Alive": True, "Resources": its} for its in resources]
        monkeypatch.setattr(ray, "nodes", lambda: [*alive, {"Alive": False, "Resources": {"CPU": 64}}])

    return nodes_with


@pytest.mark.parametrize(
    ("resources", "reserved", "slots"),
    [
        ({}, {"cpu": 1, "gpu": 1}, 3),
        ({"cpu": 4}, {"cpu": 4, "gpu": 1}, 1),
        ({"gpu": 0}, {"cpu": 1, "gpu": 0}, 10),
        ({"gpu": 0.5}, {"cpu": 1, "gpu": 0.5}, 6),
        ({"gpu": 0.4}, {"cpu": 1, "gpu": 0.4}, 6),
        ({"gpu": 0.1}, {"cpu": 1, "gpu": 0.1}, 8),
    ],
)
def test_a_trial_fits_into_one_node_and_a_fraction_of_a_gpu_into_one_gpu(there, resources, reserved, slots):
    there({"CPU": 6.0, "GPU": 2.0}, {"CPU": 2.0, "GPU": 1.0}, {"CPU": 2.0})
    assert of_nodes.reserved(Resources(**resources)) == reserved
    assert of_nodes.slots(reserved) == slots


def test_without_gpus_trials_run_on_cpus(there):
    there({"CPU": 2.0}, {"CPU": 1.0})
    assert of_nodes.reserved(Resources()) == {"cpu": 1, "gpu": 0}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {"cpu": 3, "gpu": 0},
            r"resources.cpu is 3, for each trial: expected 2 at most on any of the 2 nodes",
        ),
        ({"cpu": 2, "gpu": 1}, r"no node has both resources.cpu 2 and resources.gpu 1"),
    ],
)
def test_a_trial_that_fits_into_no_single_node_is_refused(there, resources, message):
    there({"CPU": 2.0}, {"CPU": 1.0, "GPU": 1.0})
    with pytest.raises(SweepError, match=message):
        of_nodes.reserved(Resources(**resources))


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:", ":6379", "head:70000"])
def test_an_invalid_address_is_refused(address):
    with pytest.raises(SweepError, match="expected auto, or HOST:PORT"):
        connection._answering(address)


def test_an_invalid_address_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(SweepError, match="--address auto, RAY_ADDRESS=ray://head:10001: expected"):
        connection._answering("auto")


def test_without_a_cluster_the_message_says_at_once_what_to_type(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    started = monotonic()
    with pytest.raises(SweepError, match=rf"no Ray cluster answers at {address} .*ray start --head"):
        connection._answering(address)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(SweepError, match=r"this machine has not joined a Ray cluster; .*ray start --head"):
        connection._answering("auto")
    assert monotonic() - started < 5


def test_packages_that_a_node_is_missing_are_named_as_on_pypi(monkeypatch):
    assert nodes.faults(None) == []
    monkeypatch.setattr(nodes, "PACKAGES", {"ray": "ray", "no_pil": "pillow", "no_torch": "torch"})
    assert nodes.faults(None) == ["is missing packages that trials import: pip install pillow torch"]


def test_nodes_are_checked_for_every_module_that_trials_import():
    files = [*(ROOT / "gan_core").rglob("*.py"), ROOT / "sweeps" / "cluster" / "trainable.py"]
    trees = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    named = [alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names]
    named += [str(node.module) for node in trees if isinstance(node, ast.ImportFrom)]
    modules = {name.partition(".")[0] for name in named} - sys.stdlib_module_names
    assert modules - nodes.PACKAGES.keys() == {"gan_core", "sweeps", "ray", "torchmetrics"}


def test_a_node_that_does_not_see_the_storage_is_a_fault(tmp_path):
    storage = Storage("tiny-0123456789ab", str(tmp_path))
    assert "does not see the files in --storage" in nodes.faults(storage)[0]
    storage.prepare()
    assert nodes.faults(storage) == []


class Started(NamedTuple):
    """What a local Ray has started, and what was seen of it.

    Args:
        processes: Each process with its addresses.
        gpus: What its workers see of two GPUs.
        ended: The processes that SIGTERM and SIGHUP ended.
        children: The exit codes of processes that a worker has terminated.
        left: The processes that were left after the end of this Ray.
    """

    processes: list[tuple[str, set[str]]]
    gpus: list[str]
    ended: list[str]
    children: list[int]
    left: list[str]


def _sends_and_sleeps(pipe: Connection) -> None:
    pipe.send(None)
    sleep(60)


@ray.remote(num_cpus=0)
class Worker:
    def gpus(self):
        ignore_ending_signals()
        return os.environ["CUDA_VISIBLE_DEVICES"]

    def exit_codes_of_terminated_children(self):
        """Return the exit codes of a started and of a forked process after SIGTERM."""
        started, (receiver, sender) = subprocess.Popen(["sleep", "60"]), Pipe()
        forked = get_context("fork").Process(target=_sends_and_sleeps, args=[sender])
        forked.start()
        receiver.recv()
        started.terminate()
        forked.terminate()
        forked.join(10)
        return [started.wait(10), forked.exitcode]


START = """
from sweeps.cluster.connection import local_ray
from sweeps.spec.sections import Resources

with local_ray(Resources()):
    pass
"""


def test_a_ray_that_does_not_start_in_time_is_an_error_of_the_machine(tmp_path):
    impatient = os.environ | {"RAY_gcs_server_port_wait_time_s": "0", "TMPDIR": "/tmp"}  # noqa: S108
    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, env=impatient, cwd=tmp_path
    )
    error = done.stderr.splitlines()[-1]
    assert error.startswith("sweeps.errors.SweepError: Ray did not start on this machine (")
    assert error.endswith("try again; the logs of Ray are in /tmp/ray/session_latest/logs")


@pytest.fixture(scope="module")
def of_local_ray() -> Started:
    visible = {"CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}
    ours = psutil.Process()
    earlier = {*ours.children(recursive=True)}
    with patch.dict(os.environ, visible), connection.local_ray(Resources()):
        workers = [Worker.options(num_gpus=gpus).remote() for gpus in (0.5, 0.5, 1, 0)]
        gpus = ray.get([worker.gpus.remote() for worker in workers])
        of_ray = [process for process in ours.children(recursive=True) if process not in earlier]
        processes = [(" ".join(process.cmdline()), set(_listening(process))) for process in (ours, *of_ray)]
        for process, number in product(of_ray, (signal.SIGHUP, signal.SIGTERM)):
            process.send_signal(number)
        children = ray.get(workers[0].exit_codes_of_terminated_children.remote())
        ended = [
            command
            for process, (command, _) in zip(of_ray, processes[1:], strict=True)
            if _has_ended(process)
        ]
    _, left = psutil.wait_procs(of_ray, timeout=20)
    return Started(processes, gpus, ended, children, [str(process) for process in left])


@pytest.fixture
def started(of_local_ray):
    return of_local_ray.processes


def test_each_slice_of_a_card_is_a_gpu_and_a_worker_sees_only_its_own(of_local_ray):
    first, second, whole, none = of_local_ray.gpus
    assert first == second
    assert {first, whole} == {"MIG-a", "MIG-b"}
    assert none == ""


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, None),
        ("", None),
        ("0,1", None),
        ("GPU-8932f937", None),
        ("-1", 0),
        ("1,-1,0", 1),
        ("MIG-1,MIG-2", 2),
        ("MIG-1,-1,MIG-2", 1),
    ],
)
def test_gpus_that_the_user_has_hidden_stay_hidden(monkeypatch, visible, gpus):
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert of_nodes.n_visible_gpus() == gpus


def _has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def _listening(process: psutil.Process) -> Iterator[str]:
    """Yield the addresses on which a process listens."""
    for socket_ in process.net_connections("tcp"):
        if socket_.status == psutil.CONN_LISTEN:
            yield socket_.laddr.ip


def test_a_local_ray_listens_on_loopback_only(started):
    addresses = set().union(*(listening for _, listening in started))
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_a_local_ray_has_no_log_reader_and_no_autoscaler(started):
    commands = [command for command, _ in started]
    assert any("gcs_server" in command for command in commands)
    assert not [command for command in commands if "monitor.py" in command]
    assert Node.start_monitor.__name__ == "start_monitor"


def test_a_signal_to_all_processes_leaves_the_end_of_a_local_ray_to_its_driver(of_local_ray):
    assert of_local_ray.ended == []
    assert of_local_ray.left == []


def test_a_worker_terminates_the_processes_that_it_has_started(of_local_ray):
    assert of_local_ray.children == [-signal.SIGTERM, -signal.SIGTERM]


STARTS = """
import sys
from ray.air._internal import usage
from ray.tune import Callback, Trainable
from ray.tune.execution.class_cache import _ActorClassCache
from sweeps.cluster.patches import trials_in_workers
with trials_in_workers({}):
    usage.tag_callbacks([Callback()])
    options = _ActorClassCache().get(Trainable)._default_options
sys.exit("mlflow" in sys.modules or bool(options["runtime_env"]))
"""


def test_trials_run_in_workers_that_are_ready_and_tune_imports_no_mlflow():
    environment = {**os.environ, "RAY_CHDIR_TO_TRIAL_DIR": "0"}
    done = subprocess.run([sys.executable, "-c", STARTS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_files_content_has_a_short_repr_and_survives_pickling():
    content = Content(b"GAN" * 1000)
    assert repr(content) == "<3,000 bytes>"
    assert pickle.loads(pickle.dumps(content)) == b"GAN" * 1000  # noqa: S301 - its own


def test_the_trainable_shadows_no_private_attribute_of_rays_trainable():
    def private_names(file):
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        nodes_ = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.FunctionDef)]
        names = {node.attr if isinstance(node, ast.Attribute) else node.name for node in nodes_}
        return {name for name in names if name.startswith("_") and not name.startswith("__")}

    ours = private_names(ROOT / "sweeps" / "cluster" / "trainable.py")
    assert not ours & private_names(inspect.getfile(Trainable))
