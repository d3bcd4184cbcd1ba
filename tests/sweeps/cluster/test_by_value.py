"""Training loops that are passed as functions get an import path."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from threading import Lock

import pytest
import torch

from gan_core import ImageDataset, LoopError, Snapshot
from gan_core.errors import ImportPathError
from gan_core.hyperparameters import config_of, named_loop
from gan_core.imports import imports
from sweeps.cluster.by_value import path_of
from sweeps.cluster.code_check import UsersCode, check_code
from sweeps.cluster.shipping import import_folders
from sweeps.errors import SweepError
from sweeps.spec.reading import read_spec
from tests.gan_core.small_loops import Config, moments


def test_a_function_of_a_module_keeps_its_path_and_is_trusted():
    assert path_of(moments) == ("tests.gan_core.small_loops:moments", False)
    with imports(allowed=False):
        assert named_loop("tests.gan_core.small_loops:moments") is moments
        assert import_folders() is not None
        with pytest.raises(ImportPathError, match="names code"):
            named_loop("tests.gan_core.loops_with_parameters:train")


@pytest.mark.parametrize("kind", ["nested", "partial"])
def test_any_other_loop_becomes_a_module_of_this_process(kind):
    steps = [2]

    def nested(config: Config, data, device):
        for step in steps:
            yield Snapshot(step, None)

    path, is_sent = path_of(nested if kind == "nested" else partial(moments, state=None))
    assert is_sent
    assert path_of(nested)[0] == path_of(nested)[0]
    with imports(allowed=False):
        loop = named_loop(path)
        assert set(config_of(path).model_fields) == set(Config.model_fields)
    if kind == "nested":
        assert [each.step for each in loop(None, None, None)] == [2]


def test_a_sent_loop_is_refused_in_another_process_with_what_to_do():
    code = (
        "from gan_core.hyperparameters import named_loop\n"
        "try: named_loop('sent_by_value_0123abcd:train')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("this training loop was a function of a notebook or a script")
    assert "into a module, for example mine.py, and run a new sweep with train: mine:train" in done.stdout


def test_what_cannot_be_sent_is_named():
    lock = Lock()

    def locked(config: Config, data, device):
        with lock:
            yield Snapshot(2, None)

    with pytest.raises(
        SweepError, match=r"locked cannot be sent to the workers: .*lock.*; create what it uses"
    ):
        path_of(locked)


def test_what_is_no_loop_is_refused():
    with pytest.raises(LoopError, match="is not a generator function: add 'yield"):
        path_of(path_of)


def test_a_sent_loop_without_a_state_has_its_own_name_in_the_warning():
    def stateless(config: Config, data, device):
        yield from moments(config, data, device)

    stateless.__module__, stateless.__qualname__ = "__main__", "stateless"
    path, _ = path_of(stateless)
    _, (remark,) = read_spec({"name": "a", "train": path, "parameters": {"lr": {"values": [0.1, 0.2]}}})
    assert remark.message.startswith("__main__:stateless has no parameter for a state")


def test_the_check_leaves_out_what_the_warning_about_the_file_says():
    pixels = torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8)
    images = ImageDataset("grey", pixels, pixels)
    code = UsersCode([], (f"{__name__}:takes_no_state", {}))
    with imports(allowed=True):
        folders = import_folders()
        (found,) = check_code(code, images, {"cpu": torch.get_num_threads(), "gpu": 0}, folders)
    assert not found.remarks


def test_a_constraint_on_a_metric_that_the_loop_does_not_report_fails_the_check():
    pixels = torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8)
    images = ImageDataset("grey", pixels, pixels)
    code = UsersCode([], (f"{__name__}:takes_no_state", {}), constraints=("no_such_metric <= 3",))
    message = "no_such_metric <= 3: the training loop reports no 'no_such_metric'; allowed: "
    with imports(allowed=True), pytest.raises(LoopError, match=message):
        check_code(code, images, {"cpu": torch.get_num_threads(), "gpu": 0}, import_folders())


def takes_no_state(config: Config, data, device):
    for snapshot in moments(config, data, device):
        yield replace(snapshot, state=None)
