"""Records that several processes and users open: locks, folders of other users, read-only media."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sweeps.errors import SweepError
from sweeps.record.ledger import Ledger
from sweeps.record.locks import is_run, running_lock
from sweeps.record.reading import read_ledger
from sweeps.record.status import Status
from tests.sweeps.record.trials import new_ledger, trial, write_trials

NOBODY = 65534

READ_AS_NOBODY = """
import os, sys, warnings
from pathlib import Path
from sweeps.record.locks import is_run, running_lock
from sweeps.record.reading import read_ledger
from sweeps.errors import SweepError
os.setgid({nobody})
os.setuid({nobody})
warnings.simplefilter("error")
for folder in map(Path, sys.argv[1:]):
    record = read_ledger("tiny", folder).interrupted_if_killed()
    try:
        with running_lock(folder / "tiny"):
            locked = "locked"
    except SweepError as error:
        locked = str(error)
    print(len(record.trials), record.facts["status"], is_run(folder / "tiny"), locked, sep="|")
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("sweeps.record.schema.LOCK_WAIT_S", 0.2)


@pytest.fixture
def public_folder():
    """A folder that every user may read, unlike pytest's."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def read_as_nobody(*results):
    command = [sys.executable, "-c", READ_AS_NOBODY.format(nobody=NOBODY), *map(str, results)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_may_not_write_reads_sweeps_that_ended_were_killed_or_run(public_folder):
    ended, killed, left, runs = (public_folder / name for name in ("ended", "killed", "left", "runs"))
    ledger = new_ledger(ended)
    write_trials(ledger, range(2))
    ledger.close(Status.COMPLETED)
    ledger = new_ledger(runs)
    write_trials(ledger, range(3))
    ledger._copier.join()
    shutil.copytree(runs, killed)
    shutil.copytree(runs, left)
    (left / "tiny" / "ledger.db-shm").unlink()
    with running_lock(ledger.folder):
        found = read_as_nobody(ended, killed, left, runs)
    ledger.abandon()
    assert [line[:3] for line in found] == [
        ["2", "completed", "False"],
        ["3", "interrupted", "False"],
        ["3", "interrupted", "False"],
        ["3", "running", "True"],
    ]
    assert all("cannot be written" in line[3] for line in found)


LIST_AS_NOBODY = """
import os, sys
from pathlib import Path
from sweeps.record.layout import check_results, sweep_names
from sweeps.errors import SweepError
os.setgid({nobody})
os.setuid({nobody})
for folder in map(Path, sys.argv[1:]):
    for attempt in (lambda: sweep_names(folder), lambda: check_results(folder, None)):
        try:
            print(attempt())
        except SweepError as error:
            print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_results_folder_that_a_user_may_not_list_is_named(public_folder):
    hidden = public_folder / "hidden"
    (hidden / "inner").mkdir(parents=True)
    hidden.chmod(0o700)
    command = [sys.executable, "-c", LIST_AS_NOBODY.format(nobody=NOBODY), hidden, hidden / "inner"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    errors = done.stdout.splitlines()
    assert [error.partition(" (")[0] for error in errors[::2]] == [
        f"{folder} cannot be listed" for folder in (hidden, hidden / "inner")
    ]
    assert all(f"{hidden} is no writable folder" in error for error in errors[1::2])


def test_a_sweep_runs_while_its_lock_is_held(tmp_path):
    assert not is_run(tmp_path)
    with running_lock(tmp_path):
        assert is_run(tmp_path)
        with pytest.raises(SweepError, match="is running in another process"), running_lock(tmp_path):
            pass
    assert not is_run(tmp_path)


def test_a_closed_record_is_one_file(tmp_path):
    ledger = new_ledger(tmp_path)
    write_trials(ledger, range(2))
    ledger.close(Status.INTERRUPTED)
    assert {path.name for path in ledger.folder.iterdir() if path.is_file()} == {
        "ledger.db",
        "ledger.copy.db",
    }
    for name in ("ledger.db", "ledger.copy.db"):
        with closing(sqlite3.connect(ledger.folder / name)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            assert connection.execute("SELECT count(*) FROM trials").fetchone() == (2,)


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another program that locks a sweep's record."""
    ledger = new_ledger(tmp_path)
    write_trials(ledger, range(2))
    ledger.close(Status.COMPLETED)
    command = [sys.executable, "-c", HOLD, str(ledger.folder / "ledger.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def test_a_locked_record_is_an_error_that_names_the_holder_and_never_damage(holder, tmp_path, impatient):
    file = tmp_path / "tiny" / "ledger.db"
    message = rf"{file} is locked by python\S* \(process {holder.pid}\): close that program"
    with pytest.raises(SweepError, match=message):
        read_ledger("tiny", tmp_path)
    with pytest.raises(SweepError, match=message):
        Ledger(tmp_path / "tiny", {})
    assert not (tmp_path / "tiny" / "ledger.damaged.db").exists()


def test_a_writer_that_is_locked_out_names_the_lock(tmp_path):
    ledger = new_ledger(tmp_path)
    ledger._connection.execute("PRAGMA busy_timeout = 100")
    with closing(sqlite3.connect(ledger.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SweepError, match="is locked by another program"):
            ledger.start(trial(0))
        other.execute("ROLLBACK")
    ledger.start(trial(0))
    ledger.close(Status.COMPLETED)
    assert len(read_ledger("tiny", tmp_path).trials) == 1


def test_a_record_without_read_permission_is_named(tmp_path, monkeypatch):
    ledger = new_ledger(tmp_path)
    ledger.close(Status.COMPLETED)
    monkeypatch.setattr(os, "access", lambda _file, mode: mode != os.R_OK)
    with pytest.raises(SweepError, match=r"ledger\.db cannot be read: its permissions forbid it"):
        read_ledger("tiny", tmp_path)


def test_a_copy_is_written_while_the_sweep_writes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("sweeps.record.copies.COPY_EVERY_S", 0)
    ledger = new_ledger(tmp_path)
    write_trials(ledger, range(20))
    ledger._copier.join()
    ledger._copier.copy_if_due()
    ledger._copier.join()
    with closing(sqlite3.connect(ledger.folder / "ledger.copy.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM trials").fetchone()[0] > 0
    ledger.close(Status.COMPLETED)
    assert not list(ledger.folder.glob("*.draft*"))


def test_a_trial_that_ended_soon_after_a_copy_is_in_the_next_one_before_another_trial_ends(tmp_path):
    ledger = new_ledger(tmp_path)
    ledger._copier.join()
    write_trials(ledger, range(2))
    ledger._copier._started_at -= 60
    ledger.start(trial(2))
    ledger.report("tiny-0002", 10, {"fid": 9.0}, 9.0)
    ledger._copier.join()
    with closing(sqlite3.connect(ledger.folder / "ledger.copy.db")) as connection:
        query = "SELECT count(*) FROM trials WHERE status = 'completed'"
        assert connection.execute(query).fetchone() == (2,)
    ledger.close(Status.COMPLETED)
