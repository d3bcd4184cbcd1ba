"""The process that uploads a running sweep, as the driver sees it and as a user starts it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import optuna
import psutil
import pytest

from sweeps.record.locks import running_lock, uploads_lock
from sweeps.record.status import Status
from sweeps.record.uploads import stores_showing_running
from sweeps.tracking import tracker as module
from sweeps.tracking.progress import NICENESS
from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync
from sweeps.tracking.tracker import Tracker
from tests.e2e.commands import COMMAND, gan_sweep
from tests.servers import free_port, wait_until
from tests.sweeps.tracking.records import content, run_trial, statuses_in, trial


@pytest.fixture
def said():
    return []


@pytest.fixture
def running(ledger):
    """The lock of a sweep that this process runs; closing it ends the sweep."""
    with ExitStack() as stack:
        stack.enter_context(running_lock(ledger.folder))
        yield stack


@pytest.fixture
def tracker(running, ledger, store, said):
    tracker = Tracker(ledger.folder, store, said.append)
    yield tracker
    tracker._process.kill()


def process_of(tracker):
    return psutil.Process(tracker._process.pid)


def end(tracker, ledger, running, status=Status.COMPLETED, **options):
    """End the sweep as the driver does."""
    ledger.close(status)
    running.close()
    tracker.close(**options)


def test_it_uploads_while_the_sweep_runs_and_concludes_it(
    tracker, ledger, running, store, another_store, said
):
    run_trial(ledger, 0, Status.COMPLETED)
    wait_until(lambda: tracker.failure is None)
    assert os.nice(0) < process_of(tracker).nice() == NICENESS
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process_of(tracker).send_signal(number)
    wait_until(lambda: statuses_in(store) == {"parent": "RUNNING", "tiny-0000": "FINISHED"})
    assert stores_showing_running(ledger.folder) == [None]
    run_trial(ledger, 1, Status.PRUNED)
    end(tracker, ledger, running)
    assert (tracker.failure, said) == (None, [])
    assert stores_showing_running(ledger.folder) == []
    sync(ledger.folder, another_store)
    assert content(store) == content(another_store)


def test_a_search_that_has_ended_is_not_the_end_of_a_sweep_that_is_confirmed_next(
    tracker, ledger, running, store
):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.describe({"status": Status.COMPLETED})
    wait_until(lambda: tracker.failure is None)
    run_trial(ledger, 1, Status.COMPLETED)
    wait_until(lambda: statuses_in(store).get("tiny-0001") == "FINISHED")
    assert statuses_in(store)["parent"] == "RUNNING"
    end(tracker, ledger, running)
    assert tracker.failure is None
    assert statuses_in(store)["parent"] == "FINISHED"


def test_it_ends_with_a_process_that_is_killed_and_list_says_how_to_end_its_runs(ledger, store, tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from time import sleep\n"
        "from sweeps.record.locks import running_lock\n"
        "from sweeps.tracking.tracker import Tracker; from sweeps.tracking.store import Store\n"
        f"folder = Path({str(ledger.folder)!r})\n"
        "with running_lock(folder):\n"
        "    tracker = Tracker(folder, Store.beside(folder.parent), print)\n"
        "    while tracker.failure: sleep(0.1)\n"
        "    print(tracker._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ledger.start(trial(0))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), 20)
    assert {*statuses_in(store).values()} == {"RUNNING"}
    listed = gan_sweep("list", "--results", tmp_path, cwd=tmp_path).stdout
    assert (
        f"MLflow still shows tiny as running; to end it there: gan-sweep sync tiny --results {tmp_path}"
        in listed
    )
    assert sync(ledger.folder, store) == {}
    assert statuses_in(store) == {"parent": "KILLED", "tiny-0000": "KILLED"}
    assert "MLflow" not in gan_sweep("list", "--results", tmp_path, cwd=tmp_path).stdout


def test_a_dead_neighbour_is_left_alone(tracker, ledger, running, store, tmp_path, said):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ledger.db").write_bytes(b"this is no database" * 100)
    end(tracker, ledger, running)
    assert (tracker.failure, said) == (None, [])
    assert statuses_in(store) == {"parent": "FINISHED"}


def test_a_death_is_reported_once_and_costs_the_sweep_nothing(tracker, ledger, running, said):
    wait_until(lambda: tracker.failure is None)
    process_of(tracker).kill()
    wait_until(lambda: said)
    end(tracker, ledger, running)
    assert "the process that uploads it has ended (-9)" in tracker.failure
    assert len(said) == 1


def test_after_an_error_that_stopped_the_sweep_it_says_only_how_to_end_its_runs(
    tracker, ledger, running, said
):
    run_trial(ledger, 0, Status.COMPLETED)
    wait_until(lambda: tracker.failure is None)
    ledger.abandon()
    running.close()
    tracker.close(after_error=True)
    (line,) = said
    assert line.endswith("did not end the sweep; to end its runs in MLflow: gan-sweep sync tiny")
    assert line.startswith("the process that ran tiny")


def test_a_store_that_cannot_be_written_is_reported_once(ledger, running, tmp_path, said):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    tracker = Tracker(ledger.folder, Store.beside(tmp_path), said.append)
    wait_until(lambda: said)
    end(tracker, ledger, running)
    assert "file is not a database" in tracker.failure
    assert len(said) == 1
    assert "file is not a database" in said[0]


def test_it_waits_for_another_process_that_uploads_the_sweep(ledger, running, store, said):
    with uploads_lock(ledger.folder, pytest.fail):
        tracker = Tracker(ledger.folder, store, said.append)
        wait_until(lambda: said)
        assert tracker.failure == "another process is uploading this sweep"
    wait_until(lambda: tracker.failure is None)
    end(tracker, ledger, running)
    assert statuses_in(store) == {"parent": "FINISHED"}


SLOW = """
import time
for n in range(1, 16):
    time.sleep(0.2)
    print('{"answers": %d, "failure": null, "study_failure": null}' % n, flush=True)
"""
BUSY = """
import time
while True:
    time.sleep(0.2)
    print('{"answers": 1, "failure": null, "study_failure": null}', flush=True)
"""


def test_optunas_study_has_the_trials_that_ended_and_its_failures_stop_nothing(ledger, running, store, said):
    run_trial(ledger, 0, Status.COMPLETED)
    (ledger.folder / "study.draft.db").mkdir()
    tracker = Tracker(ledger.folder, store, said.append)
    wait_until(lambda: said)
    assert "Optuna's study is missing trials" in said[0]
    end(tracker, ledger, running)
    assert (tracker.failure, len(said)) == (None, 1)
    (ledger.folder / "study.draft.db").rmdir()
    assert sync(ledger.folder, store) == {}
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{ledger.folder / 'study.db'}")
    assert [trial.values for trial in study.trials] == [[50.0]]


@pytest.fixture
def started(ledger, store, monkeypatch):
    def start(code, **settings):
        monkeypatch.setattr(module, "upload_command", lambda _folder: [sys.executable, "-c", code])
        for name, value in settings.items():
            monkeypatch.setattr(module, name, value)
        tracker = Tracker(ledger.folder, store, print)
        wait_until(lambda: tracker.failure is None)
        return tracker, monotonic()

    return start


def test_the_end_waits_while_mlflow_answers(started):
    tracker, began = started(SLOW, STALLED_S=2.0)
    tracker.close()
    assert monotonic() - began >= 2.5
    assert tracker.failure is None


def test_the_end_does_not_wait_for_a_process_that_talks_and_gets_no_answers(started):
    tracker, _ = started(BUSY, STALLED_S=0.5)
    tracker.close()
    assert tracker.failure == "it did not answer in time"


def test_the_end_does_not_wait_for_slow_uploads_after_a_signal(started):
    tracker, began = started(SLOW, HURRIED_S=0.5)
    tracker.close(is_hurried=lambda: True)
    assert monotonic() - began < 2.5
    assert tracker.failure == "it did not answer in time"


def test_credentials_are_in_no_argument_and_no_message(ledger, running, tmp_path, said):
    store = Store.chosen(tmp_path, f"http://me:a-long-secret@127.0.0.1:{free_port()}")
    tracker = Tracker(ledger.folder, store, said.append)
    assert "a-long-secret" not in " ".join(process_of(tracker).cmdline())
    end(tracker, ledger, running)
    assert "127.0.0.1" in tracker.failure
    assert "a-long-secret" not in tracker.failure + "".join(said)


def test_a_user_follows_a_sweep_by_hand(ledger, running, store, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    command = [COMMAND, "sync", "tiny", "--follow", "--json", "--results", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline()) == {"answers": 1, "failure": None, "study_failure": None}
        ledger.close(Status.COMPLETED)
        running.close()
        lines = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert {line["failure"] for line in lines} == {None}
    assert [line["answers"] for line in lines] == sorted(line["answers"] for line in lines)
    assert statuses_in(store) == {"parent": "FINISHED", "tiny-0000": "FINISHED"}


def test_the_process_imports_the_code_that_the_sweep_imports(monkeypatch, tmp_path, ledger, store):
    progress = "{'answers': 1, 'failure': ' '.join(sys.path), 'study_failure': None}"
    code = f"import json, sys; print(json.dumps({progress}))"
    monkeypatch.setattr(module, "upload_command", lambda _folder: [sys.executable, "-P", "-c", code])
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "elsewhere"), *sys.path])
    monkeypatch.chdir(tmp_path)
    tracker = Tracker(ledger.folder, store, lambda _text: None)
    tracker.close()
    assert tracker.failure.split()[:2] == [str(Path.cwd()), str(tmp_path / "elsewhere")]
