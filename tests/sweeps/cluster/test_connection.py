import ast
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from time import monotonic

import psutil
import pytest
import ray
from ray._private.node import Node

from sweeps.cluster import connection, nodes
from sweeps.cluster import resources as of_nodes
from sweeps.cluster.shipping import users_code
from sweeps.cluster.storage import Storage
from sweeps.cluster.trainable import Content
from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

ROOT = Path(__file__).parents[3]


@pytest.fixture
def there(monkeypatch):
    """Return what has Ray know of nodes with these resources."""

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
def test_a_trial_fits_into_one_node_and_a_part_of_a_gpu_into_one_gpu(there, resources, reserved, slots):
    there({"CPU": 6.0, "GPU": 2.0}, {"CPU": 2.0, "GPU": 1.0}, {"CPU": 2.0})
    assert of_nodes.reserved(Resources(**resources)) == reserved
    assert of_nodes.slots(reserved) == slots


def test_without_gpus_trials_run_on_cpus(there):
    there({"CPU": 2.0}, {"CPU": 1.0})
    assert of_nodes.reserved(Resources()) == {"cpu": 1, "gpu": 0}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"cpu": 3, "gpu": 0}, r"resources.cpu is 3: .* there are 2 on any of the 2 nodes"),
        ({"cpu": 2, "gpu": 1}, r"none has both: resources.cpu 2 and resources.gpu 1"),
    ],
)
def test_what_fits_into_no_node_is_refused_though_all_have_enough_together(there, resources, message):
    there({"CPU": 2.0}, {"CPU": 1.0, "GPU": 1.0})
    with pytest.raises(SweepError, match=message):
        of_nodes.reserved(Resources(**resources))


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:", ":6379", "head:70000"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(SweepError, match="expected auto, or HOST:PORT"):
        connection._answering(address)


def test_what_is_no_address_in_the_environment_is_named_as_such(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(SweepError, match="--address auto, RAY_ADDRESS=ray://head:10001: expected"):
        connection._answering("auto")


def test_that_no_cluster_answers_is_told_at_once_with_what_to_type(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    started = monotonic()
    with pytest.raises(SweepError, match=rf"no Ray cluster answers at {address} .*ray start --head"):
        connection._answering(address)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(SweepError, match=r"this machine is in no Ray cluster; .*ray start --head"):
        connection._answering("auto")
    assert monotonic() - started < 5


def test_the_code_of_components_is_what_lies_with_them_and_was_imported(monkeypatch, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "__init__.py").write_text("import near\n", encoding="utf-8")
    for name in ("near", "far"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("ours", "near"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import_module("ours")
    assert users_code(["ours.nets:Pair"]) == {tmp_path / "ours", tmp_path / "near.py"}
    assert users_code(["torch.nn:Module", "json:loads"]) == set()


def test_packages_that_a_node_lacks_are_named_as_they_are_installed(monkeypatch):
    assert nodes.faults(None) == []
    monkeypatch.setattr(nodes, "PACKAGES", {"ray": "ray", "no_pil": "pillow", "no_torch": "torch"})
    assert nodes.faults(None) == ["lacks what a trial imports: pip install pillow torch"]


def test_all_that_trials_import_is_asked_for():
    files = [*(ROOT / "gan_core").rglob("*.py"), ROOT / "sweeps" / "cluster" / "trainable.py"]
    trees = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    named = [alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names]
    named += [str(node.module) for node in trees if isinstance(node, ast.ImportFrom)]
    modules = {name.partition(".")[0] for name in named} - sys.stdlib_module_names
    assert modules - nodes.PACKAGES.keys() == {"gan_core", "sweeps", "ray", "torchmetrics"}


def test_a_node_that_does_not_see_the_storage_is_told(tmp_path):
    storage = Storage("tiny-0123456789ab", str(tmp_path))
    assert "does not see what is in --storage" in nodes.faults(storage)[0]
    storage.prepare()
    assert nodes.faults(storage) == []


@pytest.fixture(scope="module")
def started() -> list[tuple[str, set[str]]]:
    """Of each process of a local Ray: what it runs, and on which addresses it listens."""
    with connection.local_ray(Resources()):
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
        ours = psutil.Process()
        return [
            (" ".join(process.cmdline()), set(_listening(process)))
            for process in (ours, *ours.children(recursive=True))
        ]


def _listening(process: psutil.Process) -> Iterator[str]:
    """Yield the addresses."""
    for socket_ in process.net_connections("tcp"):
        if socket_.status == psutil.CONN_LISTEN:
            yield socket_.laddr.ip


def test_what_a_local_ray_starts_listens_on_loopback_alone(started):
    addresses = set().union(*(listening for _, listening in started))
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_a_local_ray_has_no_process_that_reads_logs_or_scales(started):
    commands = [command for command, _ in started]
    assert any("gcs_server" in command for command in commands)
    assert not [command for command in commands if "monitor.py" in command]
    assert Node.start_monitor.__name__ == "start_monitor"


STARTS = """
import sys
from ray.air._internal import usage
from ray.tune import Callback
from sweeps.cluster.patches import trials_in_workers
with trials_in_workers({}):
    usage.tag_callbacks([Callback()])
sys.exit("mlflow" in sys.modules)
"""


def test_no_statistics_have_mlflow_imported_before_the_first_trial():
    assert subprocess.run([sys.executable, "-c", STARTS], check=False).returncode == 0


def test_a_files_content_is_short_in_words_and_whole_in_another_process():
    content = Content(b"GAN" * 1000)
    assert repr(content) == "<3,000 bytes>"
    assert pickle.loads(pickle.dumps(content)) == b"GAN" * 1000  # noqa: S301 - its own
