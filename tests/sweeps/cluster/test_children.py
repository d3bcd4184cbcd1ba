"""The processes that a training loop leaves behind are ended."""

import multiprocessing
import subprocess
import sys
from time import sleep

import psutil
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from sweeps.cluster import children
from sweeps.cluster.children import Children

SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.{}); print(1, flush=True); time.sleep(600)"


def sleeping(on_signal="SIG_DFL"):
    command = [sys.executable, "-c", SLEEP.format(on_signal)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    return process


def has_ended(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def earlier():
    with sleeping() as process:
        yield process
        process.kill()


def descendants():
    return {*psutil.Process().children(recursive=True)}


def loader():
    return iter(DataLoader(TensorDataset(torch.zeros(64, 1)), num_workers=2, persistent_workers=True))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_later_children_are_ended_and_earlier_ones_are_not(earlier, monkeypatch):
    monkeypatch.setattr(children, "SECONDS_TO_END", 0.5)
    ours, before = Children(), descendants()
    assert ours.end_later_ones() == 0
    kept, batches = [sleeping(), sleeping("SIG_IGN")], loader()
    next(batches)
    later = descendants() - before
    assert len(later) == 4
    assert ours.end_later_ones() == 4
    assert all(map(has_ended, later))
    assert earlier.poll() is None
    assert not multiprocessing.active_children()
    for process in kept:
        process.wait()
        process.stdout.close()


def of_a_child(pipe):
    pipe.send(sleeping().pid)
    sleep(600)


def test_children_of_children_are_ended_and_pythons_own_are_kept():
    ours, (receiver, sender) = Children(), multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=of_a_child, args=(sender,))
    process.start()
    grandchild = psutil.Process(receiver.recv())
    tracker = multiprocessing.resource_tracker._resource_tracker._pid
    assert ours.end_later_ones() == 2
    assert has_ended(grandchild)
    assert psutil.Process(tracker).is_running()
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_loader_that_nothing_refers_to_ends_its_own_workers():
    ours = Children()
    batches = loader()
    next(batches)
    del batches
    assert ours.end_later_ones() == 0
