"""Records that are damaged: readers fall back to the copy, a sweep that resumes is restored from it."""

import os
import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from sweeps.analysis.loading import list_sweeps
from sweeps.errors import DamagedLedgerWarning, DamagedRecordError, SweepError
from sweeps.record.copies import write_copy
from sweeps.record.follower import Follower
from sweeps.record.layout import checkpoint_file, samples_file, weights_file
from sweeps.record.ledger import Ledger
from sweeps.record.reading import read_ledger, run_key
from sweeps.record.recovery import check_whole
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_sweep
from tests.sweeps.record.trials import new_ledger, trial, write_trials


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A sweep of 40 trials that was killed; its copy has 30 trials and the first report of another."""
    ledger = new_ledger(tmp_path_factory.mktemp("results"))
    write_trials(ledger, range(30))
    ledger.start(trial(30))
    ledger.report("tiny-0030", 10, {"fid": 70.0}, 70.0)
    ledger._copier.join()
    write_copy(ledger.folder / "ledger.db", ledger.folder / "ledger.copy.db")
    write_trials(ledger, range(30, 40))
    ledger.abandon()
    return ledger.folder


@pytest.fixture
def folder(killed, tmp_path):
    return shutil.copytree(killed, tmp_path / "tiny")


def damage(file):
    """Overwrite a page of a record's trials."""
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT pageno FROM dbstat WHERE name = 'trials' AND pagetype = 'leaf' ORDER BY path DESC"
        (page,) = connection.execute(query).fetchone()
    with file.open("r+b") as stream:
        stream.seek(4096 * (page - 1))
        stream.write(b"\xff" * 4096)


def cut(file):
    file.write_bytes(file.read_bytes()[:5000])


def rewrite(statement):
    def apply(file):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    return apply


DAMAGES = {
    "a page": damage,
    "cut": cut,
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"no" + file.read_bytes()),
    "missing": lambda file: file.unlink(),
    "a format": rewrite("DELETE FROM sweep WHERE key = 'format_version'"),
    "JSON": rewrite("UPDATE sweep SET value = '{' WHERE key = 'spec'"),
    "a status": rewrite("UPDATE trials SET status = 'dancing'"),
    "a trial's name": rewrite("UPDATE trials SET trial_id = '../../tiny' WHERE number = 7"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_reader_falls_back_to_the_copy(folder, kind):
    DAMAGES[kind](folder / "ledger.db")
    message = (
        r"ledger\.db is damaged \(.*\): gan-sweep resume tiny restores its copy; what is shown is the copy of"
    )
    with pytest.warns(DamagedLedgerWarning, match=message):
        record = read_ledger("tiny", folder.parent)
    assert len(record.trials) == 31
    with pytest.raises(DamagedRecordError):
        check_whole(folder)


@pytest.mark.parametrize("kind", ["cut", "JSON"])
def test_without_a_copy_the_error_names_the_file(folder, kind):
    DAMAGES[kind](folder / "ledger.db")
    (folder / "ledger.copy.db").unlink()
    with pytest.raises(
        SweepError, match=r"tiny/ledger\.db is damaged \(.*its copy ledger\.copy\.db is damaged or"
    ):
        read_ledger("tiny", folder.parent)
    with pytest.raises(SweepError, match=r"move .*/tiny away to run it again"):
        Ledger(folder, {})


def test_one_damaged_sweep_is_one_line_of_the_list(folder):
    write_sweep(folder.parent, "sound")
    for name in ("ledger.db", "ledger.copy.db"):
        (folder / name).write_bytes(b"not a database")
    frame = list_sweeps(folder.parent).set_index("sweep")
    assert frame.loc["sound", "status"] == "completed"
    assert "ledger.db is damaged" in frame.loc["tiny", "status"]


def test_a_whole_record_is_not_restored(folder):
    ledger = Ledger(folder, {})
    ledger.close(Status.COMPLETED)
    record = read_ledger("tiny", folder.parent)
    assert (ledger.restored, run_key(record.facts)) == (None, record.facts["sweep_id"])
    assert len(record.trials) == 40


def touched(file, at=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    if at:
        os.utime(file, (at, at))
    return file


def test_a_damaged_record_is_restored_and_what_its_copy_does_not_know_is_set_aside(folder):
    past, future = time.time() - 1000, time.time() + 1000
    known = [
        touched(samples_file(folder, "tiny-0030", 10)),
        touched(weights_file(folder, "tiny-0029")),
        touched(checkpoint_file(folder, "tiny-0030").with_suffix(".checkpoint.previous"), past),
    ]
    unknown = [
        touched(samples_file(folder, "tiny-0030", 20)),
        touched(samples_file(folder, "tiny-0031", 10)),
        touched(weights_file(folder, "tiny-0030")),
        touched(checkpoint_file(folder, "tiny-0030"), future),
        touched(checkpoint_file(folder, "tiny-0039"), past),
    ]
    file = folder / "ledger.db"
    damage(file)
    damaged = file.read_bytes()
    ledger = Ledger(folder, {})
    ledger.close(Status.COMPLETED)
    assert "and is kept as ledger.damaged.db: the sweep resumes from its copy of" in ledger.restored
    assert "; 5 files of that time are in unrecorded-1" in ledger.restored
    assert (folder / "ledger.damaged.db").read_bytes() == damaged
    assert all(path.exists() for path in known)
    assert not any(path.exists() for path in unknown)
    assert all((folder / "unrecorded-1" / path.relative_to(folder)).exists() for path in unknown)
    record = read_ledger("tiny", folder.parent)
    assert len(record.trials) == 31
    assert run_key(record.facts) == f"{record.facts['sweep_id']}-1"


def test_each_restoration_is_a_generation(folder):
    for generation in (1, 2):
        damage(folder / "ledger.db")
        Ledger(folder, {}).close(Status.COMPLETED)
        assert read_ledger("tiny", folder.parent).facts["generation"] == generation
    assert (folder / "ledger.damaged-2.db").exists()


def test_a_log_of_a_damaged_record_is_kept_with_it(folder):
    (folder / "ledger.db-wal").write_bytes(b"of the damaged record")
    cut(folder / "ledger.db")
    Ledger(folder, {}).abandon()
    assert (folder / "ledger.damaged.db-wal").read_bytes() == b"of the damaged record"


def test_a_damaged_record_does_not_replace_its_copy(folder):
    ledger = Ledger(folder, {})
    ledger._copier.join()
    before = (folder / "ledger.copy.db").read_bytes()
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(folder / "ledger.db")
    ledger._copier.close()
    ledger.abandon()
    assert (folder / "ledger.copy.db").read_bytes() == before


def test_a_follower_of_a_damaged_record_names_it(folder):
    cut(folder / "ledger.db")
    with pytest.raises(DamagedRecordError, match="gan-sweep resume tiny"):
        Follower(folder)
