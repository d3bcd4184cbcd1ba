import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import psutil
import pytest

from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.tracking import tracker as module
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.service import NICENESS
from sweeps.tracking.store import Store
from sweeps.tracking.tracker import Tracker
from tests.servers import free_port, wait_until
from tests.sweeps.tracking.test_mirror import SPEC, run_trial, runs_in, trial


@pytest.fixture
def ledger(tmp_path):
    return Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), SPEC)


@pytest.fixture
def said():
    return []


@pytest.fixture
def tracker(ledger, tmp_path, said):
    return Tracker(ledger.folder, Store.beside(tmp_path), said.append)


def process_of(tracker):
    return psutil.Process(tracker._process.pid)


def test_it_follows_the_ledger(tracker, ledger, tmp_path, said):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert (tracker.failure, said) == (None, [])
    _, runs = runs_in(Store.beside(tmp_path))
    assert {name: run.info.status for name, run in runs.items()} == {
        "parent": "FINISHED",
        "tiny-0000": "FINISHED",
    }


def test_signals_to_all_of_a_sweeps_processes_do_not_end_it(tracker, ledger):
    run_trial(ledger, 0, Status.COMPLETED)
    wait_until(lambda: tracker.failure is None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process_of(tracker).send_signal(number)
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert tracker.failure is None


def test_it_trains_nothing_and_gives_way_to_what_does(tracker, ledger):
    wait_until(lambda: tracker.failure is None)
    assert process_of(tracker).nice() == NICENESS
    assert os.nice(0) < NICENESS
    ledger.close(Status.COMPLETED)
    tracker.close()


def test_it_does_not_outlive_a_sweep_that_is_killed(ledger, tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from time import sleep\n"
        "from sweeps.tracking.tracker import Tracker; from sweeps.tracking.mirror import Store\n"
        f"tracker = Tracker(Path({str(ledger.folder)!r}), Store.beside(Path({str(tmp_path)!r})), print)\n"
        "while tracker.failure: sleep(0.1)\n"
        "print(tracker._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ledger.start(trial(0))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), 10)
    _, runs = runs_in(Store.beside(tmp_path))
    assert {run.info.status for run in runs.values()} == {"RUNNING"}


def test_one_that_dies_is_told_of_and_costs_the_sweep_nothing(tracker, ledger, said):
    wait_until(lambda: tracker.failure is None)
    process_of(tracker).kill()
    wait_until(lambda: said)
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert tracker.failure == "the process that sends them has died (-9)"
    assert len(said) == 1


SLOW = """
import json, sys, time
json.loads(sys.stdin.readline())
print("null", flush=True)
sys.stdin.readline()
for _ in range(15):
    time.sleep(0.2)
    print("null", flush=True)
"""


def test_a_store_that_still_takes_what_is_left_is_waited_for(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_START", SLOW)
    monkeypatch.setattr(module, "STALLED_S", 2.0)
    tracker = Tracker(ledger.folder, Store.beside(tmp_path), print)
    wait_until(lambda: tracker.failure is None)
    started = monotonic()
    tracker.close()
    assert monotonic() - started >= 3
    assert tracker.failure is None


def test_a_store_that_takes_nothing_more_is_not(tracker, ledger, monkeypatch):
    run_trial(ledger, 0, Status.COMPLETED)
    wait_until(lambda: tracker.failure is None)
    monkeypatch.setattr(module, "STALLED_S", 0.5)
    process_of(tracker).suspend()
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert tracker.failure == "it did not answer in time"


def test_who_is_in_a_hurry_does_not_wait_for_one_that_still_takes_it(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_START", SLOW)
    monkeypatch.setattr(module, "HURRIED_S", 0.5)
    tracker = Tracker(ledger.folder, Store.beside(tmp_path), print)
    wait_until(lambda: tracker.failure is None)
    started = monotonic()
    tracker.close(is_hurried=lambda: True)
    assert monotonic() - started < 3
    assert tracker.failure == "it did not answer in time"


def test_credentials_are_in_no_place_that_others_can_read(ledger, tmp_path):
    store = Store.chosen(tmp_path, f"http://me:a-long-secret@127.0.0.1:{free_port()}")
    tracker = Tracker(ledger.folder, store, lambda _text: None)
    assert "a-long-secret" not in " ".join(process_of(tracker).cmdline())
    assert "a-long-secret" not in Path(f"/proc/{tracker._process.pid}/environ").read_text()
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert "127.0.0.1" in tracker.failure
    assert "a-long-secret" not in tracker.failure


def test_the_next_sweep_ends_the_runs_of_one_that_was_killed(ledger, tmp_path):
    store = Store.beside(tmp_path)
    ledger.start(trial(0))
    Mirror(ledger.folder, store, is_running=True).catch_up()
    assert {run.info.status for run in runs_in(store)[1].values()} == {"RUNNING"}
    other = Ledger(create_sweep_folder(tmp_path, "other", exact=True), SPEC)
    tracker = Tracker(other.folder, store, print)
    other.close(Status.COMPLETED)
    tracker.close()
    assert tracker.failure is None
    runs = runs_in(store)[1]
    assert {name: (run.info.status, run.data.tags["status"]) for name, run in runs.items()} == {
        "parent": ("KILLED", "interrupted"),
        "tiny-0000": ("KILLED", "interrupted"),
    }


def test_the_next_sweep_ends_the_runs_of_one_that_was_killed_once_its_ledger_was_closed(ledger, tmp_path):
    store = Store.beside(tmp_path)
    run_trial(ledger, 0, Status.COMPLETED)
    Mirror(ledger.folder, store, is_running=True).catch_up()
    ledger.close(Status.COMPLETED)
    client, runs = runs_in(store)
    assert runs["parent"].info.status == "RUNNING"
    theirs = Ledger(create_sweep_folder(tmp_path, "other", exact=True), SPEC)
    tracker = Tracker(theirs.folder, store, lambda _text: None)
    wait_until(lambda: client.get_run(runs["parent"].info.run_id).info.status != "RUNNING")
    theirs.close(Status.COMPLETED)
    tracker.close()


def test_an_mlflow_that_cannot_be_written_stops_nothing_and_is_told_once(ledger, tmp_path, said):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    tracker = Tracker(ledger.folder, Store.beside(tmp_path), said.append)
    wait_until(lambda: said)
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert "file is not a database" in tracker.failure
    assert len(said) == 1
    assert "file is not a database" in said[0]


def test_a_neighbour_that_cannot_be_read_is_no_failure_of_this_sweep(ledger, tmp_path, said):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ledger.db").write_bytes(b"this is no database" * 100)
    tracker = Tracker(ledger.folder, Store.beside(tmp_path), said.append)
    ledger.close(Status.COMPLETED)
    tracker.close()
    assert (tracker.failure, said) == (None, [])
