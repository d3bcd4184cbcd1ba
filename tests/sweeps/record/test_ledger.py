import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from sweeps.analysis.loading import list_sweeps, load
from sweeps.errors import DamagedLedgerWarning, SweepError, SweepExistsError, UnknownSweepError
from sweeps.record.layout import create_sweep_folder, sweep_names
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger, read_reports
from sweeps.record.seals import connected, have_sealed, is_whole
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from tests.sweeps.ledgers import write_sweep


def trial(number):
    return Trial(
        f"tiny-{number:04d}", number, {"lr": 0.1 + number}, {"lr": 0.1 + number, "seed": 1}, number == 0
    )


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    yield ledger
    ledger.close(Status.COMPLETED)


def test_what_was_written_can_be_read_while_the_sweep_runs(ledger, tmp_path):
    ledger.describe({"floors": {"fid": 7.5}})
    ledger.start(trial(0))
    ledger.report("tiny-0000", 10, {"fid": 30.0, "g_loss": 1 / 3}, 30.0)
    ledger.report("tiny-0000", 20, {"fid": 40.0, "g_loss": 0.5}, 30.0, {"collapse": 10})
    ledger.start(trial(1))
    ledger.end("tiny-0001", Status.CRASHED, "ValueError: no", "Traceback")
    record = read_ledger("tiny", tmp_path)
    assert record.facts["floors"] == {"fid": 7.5}
    assert record.facts["status"] == Status.RUNNING
    first, second = record.trials
    assert (first["status"], first["score"], first["best_step"], first["step"]) == ("running", 30.0, 10, 20)
    assert (first["params"], first["flags"]) == ({"lr": 0.1}, {"collapse": 10})
    assert first["best_metrics"] == {"fid": 30.0, "g_loss": 1 / 3}
    assert (first["final"], second["final"], second["best_metrics"]) == (None, None, None)
    assert (second["status"], second["reason"], second["score"]) == ("crashed", "ValueError: no", None)
    assert read_reports(record.folder) == [
        {"trial_id": "tiny-0000", "step": 10, "fid": 30.0, "g_loss": 1 / 3},
        {"trial_id": "tiny-0000", "step": 20, "fid": 40.0, "g_loss": 0.5},
    ]


def test_the_time_that_a_sweep_stood_still_is_none_that_it_took(tmp_path, monkeypatch):
    now, samples = 1000.0, {"eval_samples": 200, "final_samples": 1000}
    first, second = (replace(trial(number), config=samples) for number in (0, 1))
    monkeypatch.setattr("sweeps.record.ledger.time", lambda: now)
    killed = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), {"name": "tiny"})
    killed.start(first)
    now = 1010.0
    killed.report("tiny-0000", 10, {"fid": 5.0}, 5.0)
    killed.abandon()
    now = 100_000.0
    stopped = Ledger(killed.folder, {"name": "tiny"})
    stopped.start(first)
    now = 100_020.0
    stopped.close(Status.INTERRUPTED)
    now = 200_000.0
    resumed = Ledger(killed.folder, {"name": "tiny"})
    now = 200_003.0
    resumed.start(second)
    now = 200_007.0
    resumed.end("tiny-0001", Status.COMPLETED, final={"fid": 4.0})
    resumed.close(Status.COMPLETED)
    sweep = load("tiny", tmp_path)
    assert sweep.summary()["seconds"] == 10 + 20 + 7
    assert sweep.trials.set_index("trial_id")["seconds"]["tiny-0001"] == 4
    resumed = Ledger(killed.folder, {"name": "tiny"})
    resumed.start(first)
    now = 200_009.0
    resumed.end("tiny-0000", Status.COMPLETED, final={"fid": 4.0})
    resumed.close(Status.COMPLETED)
    assert load("tiny", tmp_path).trials.set_index("trial_id")["seconds"]["tiny-0000"] == 10 + 2


def test_a_name_that_is_taken_gives_the_next_free_one(tmp_path):
    names = [create_sweep_folder(tmp_path, "tiny", exact=False).name for _ in range(3)]
    assert names == ["tiny", "tiny-2", "tiny-3"]


def test_what_a_command_left_that_was_killed_before_it_had_a_ledger_is_free(tmp_path):
    folder = create_sweep_folder(tmp_path, "tiny", exact=True)
    (folder / "running.lock").touch()
    assert create_sweep_folder(tmp_path, "tiny", exact=True) == folder


def test_an_exact_name_must_be_free(tmp_path):
    write_sweep(tmp_path)
    with pytest.raises(SweepExistsError, match="choose another --name"):
        create_sweep_folder(tmp_path, "tiny", exact=True)


def test_an_unknown_sweep_lists_the_known(ledger, tmp_path):
    assert sweep_names(tmp_path) == ["tiny"]
    with pytest.raises(
        UnknownSweepError, match=r"no sweep 'tinny' in .*; allowed: tiny; did you mean 'tiny'\?"
    ):
        read_ledger("tinny", tmp_path)


def test_where_there_are_no_sweeps_it_says_so(tmp_path):
    with pytest.raises(UnknownSweepError, match="there are no sweeps yet"):
        read_ledger("tiny", tmp_path)


def test_the_final_scores_of_a_trial_are_kept(ledger, tmp_path):
    ledger.start(trial(0))
    ledger.end("tiny-0000", Status.COMPLETED, final={"fid": 31.0})
    (row,) = read_ledger("tiny", tmp_path).trials
    assert (row["status"], row["final"]) == ("completed", {"fid": 31.0})


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (1, "an older gan-sweep (gan-sweep 0.0.7, format 1; this one reads 8): read it with that one"),
        (99, "a newer gan-sweep (gan-sweep 0.0.7, format 99; this one reads 8): update gan-sweep"),
    ],
)
def test_another_format_is_refused(ledger, tmp_path, version, message):
    ledger.describe({"format_version": version, "written_by": "gan-sweep 0.0.7"})
    with pytest.raises(SweepError, match=re.escape(message)):
        read_ledger("tiny", tmp_path)


def replica(number, of):
    return Trial(f"{of}-seed{number}", number, {"lr": 0.1}, {"seed": 7}, False, Stage.CONFIRM, of)


def test_a_confirmation_is_kept_beside_the_search(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    ledger.start(trial(0))
    ledger.report("tiny-0000", 10, {"fid": 30.0}, 30.0)
    ledger.end("tiny-0000", Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    before = read_ledger("tiny", tmp_path)
    confirming = Ledger(tmp_path / "tiny", {"name": "tiny"}, {"top": 1})
    confirming.start(replica(0, "tiny-0000"))
    confirming.report("tiny-0000-seed0", 10, {"fid": 40.0}, 40.0)
    during = read_ledger("tiny", tmp_path)
    confirming.close(Status.INTERRUPTED)
    after = read_ledger("tiny", tmp_path)
    assert (before.replicas, before.trials, during.trials) == ([], after.trials, after.trials)
    assert {key: after.facts[key] for key in before.facts} == before.facts
    assert during.facts["confirmation"]["status"] == Status.RUNNING
    assert (after.facts["confirmation"]["status"], after.facts["confirmation"]["top"]) == ("interrupted", 1)
    (row,) = after.replicas
    assert (row["of"], row["stage"], row["config"]["seed"]) == ("tiny-0000", "confirm", 7)
    assert [report["fid"] for report in read_reports(tmp_path / "tiny")] == [30.0]
    assert Past.read(after).ended == {"tiny-0000": Status.COMPLETED}
    assert Past.read(after, Stage.CONFIRM).unfinished == [replica(0, "tiny-0000")]


@pytest.fixture
def written(tmp_path):
    """A sweep of 40 trials whose process was killed: its copy is of when it had 30."""
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    ledger._connection.execute("PRAGMA synchronous = OFF")
    for number in range(40):
        ledger.start(trial(number))
        for step in (10, 20, 30):
            ledger.report(
                f"tiny-{number:04d}", step, {"fid": 100.0 - number, "g_loss": 1 / 3}, 100.0 - number
            )
        ledger.end(f"tiny-{number:04d}", Status.COMPLETED, final={"fid": 99.0 - number})
        if number == 29:
            ledger._copy()
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger._connection.close()
    return ledger.folder


def pages_of(file, table):
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
        return [page for (page,) in connection.execute(query, (table,))]


def overwrite(file, page, content=b"\xff" * 4096):
    with file.open("r+b") as stream:
        stream.seek(4096 * (page - 1))
        stream.write(content)


def test_a_value_that_changed_is_taken_from_the_copy_and_said(written, tmp_path):
    before = read_ledger("tiny", tmp_path)
    with closing(sqlite3.connect(written / "ledger.db")) as connection, connection:
        connection.execute("UPDATE trials SET score = 1.0 WHERE trial_id = 'tiny-0007'")
    with pytest.warns(DamagedLedgerWarning, match="lost: what was recorded since the last copy of tiny-0007"):
        after = read_ledger("tiny", tmp_path)
    assert after.trials == before.trials


@pytest.mark.parametrize("key", ["format_version", "spec", "n_trials"])
def test_a_value_that_vanished_is_taken_from_the_copy(written, tmp_path, key):
    before = read_ledger("tiny", tmp_path)
    file = written / "ledger.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'value TEXT NOT NULL', 'value TEXT')")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE sweep SET value = NULL WHERE key = ?", (key,))
    with pytest.warns(DamagedLedgerWarning, match="gan-sweep resume tiny mends it"):
        after = read_ledger("tiny", tmp_path)
    assert (after.trials, after.facts) == (before.trials, before.facts)


def test_rows_of_a_damaged_page_are_taken_from_the_copy_and_those_that_it_lacks_are_said(written, tmp_path):
    before = read_ledger("tiny", tmp_path)
    file = written / "ledger.db"
    overwrite(file, pages_of(file, "trials")[-1])
    with pytest.warns(DamagedLedgerWarning, match=r"lost: \d+ of 40 trials"):
        after = read_ledger("tiny", tmp_path)
    assert 30 <= len(after.trials) < 40
    assert after.trials == before.trials[: len(after.trials)]


def test_reports_that_neither_has_are_said(written, tmp_path):
    file = written / "ledger.db"
    overwrite(file, pages_of(file, "reports")[-1], bytes(4096))
    with pytest.warns(DamagedLedgerWarning, match=r"lost: .*\d reports of tiny-0039"):
        assert len(read_ledger("tiny", tmp_path).trials) == 40


@pytest.mark.parametrize("damage", ["head", "empty", "gone", "cut"])
def test_a_ledger_that_is_none_any_more_is_read_from_its_copy(written, tmp_path, damage):
    file = written / "ledger.db"
    content = {"head": b"no" + file.read_bytes(), "empty": b"", "cut": file.read_bytes()[:5000]}
    file.write_bytes(content.get(damage, b""))
    if damage == "gone":
        file.unlink()
    with pytest.warns(DamagedLedgerWarning, match="gan-sweep resume tiny mends it"):
        record = read_ledger("tiny", tmp_path)
    assert len(record.trials) == 30


def test_a_damaged_ledger_is_mended_and_kept_aside(written, tmp_path):
    file = written / "ledger.db"
    overwrite(file, pages_of(file, "trials")[-1])
    damaged = file.read_bytes()
    ledger = Ledger(written, {"name": "tiny"})
    ledger.close(Status.COMPLETED)
    told = r"was damaged \(it is kept as ledger\.damaged\.db\) and is mended; lost: (\d+) of 40 trials"
    n_lost = int(re.search(told, ledger.repaired)[1])
    assert (written / "ledger.damaged.db").read_bytes() == damaged
    assert len(read_ledger("tiny", tmp_path).trials) == 40 - n_lost
    whole = Ledger(written, {"name": "tiny"})
    whole.close(Status.COMPLETED)
    assert whole.repaired is None


def test_a_mended_ledger_is_whole_without_the_reports_that_neither_has(written):
    file = written / "ledger.db"
    for page in pages_of(file, "reports")[-2:]:
        overwrite(file, page, bytes(4096))
    ledger = Ledger(written, {"name": "tiny"})
    ledger.close(Status.COMPLETED)
    assert "3 reports of tiny-0039" in ledger.repaired
    with closing(connected(file)) as connection:
        assert is_whole(connection)


def test_a_damaged_ledger_does_not_replace_its_copy(written):
    ledger = Ledger(written, {"name": "tiny"})
    before = (written / "ledger.copy.db").read_bytes()
    with closing(sqlite3.connect(written / "ledger.db")) as connection, connection:
        connection.execute("UPDATE trials SET score = 1.0 WHERE trial_id = 'tiny-0007'")
    ledger.close(Status.COMPLETED)
    assert (written / "ledger.copy.db").read_bytes() == before


def sealed(folder, statement):
    with closing(connected(folder / "ledger.db")) as connection, connection:
        have_sealed(connection)
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM sweep", "is damaged or no ledger"),
        ("UPDATE sweep SET value = '{' WHERE key = 'spec'", "cannot be read: Expecting"),
        ("UPDATE trials SET status = 'dancing'", "cannot be read: 'dancing' is not a valid Status"),
    ],
)
def test_what_no_sweep_writes_is_an_error_that_names_the_file(ledger, tmp_path, statement, message):
    ledger.start(trial(0))
    (ledger.folder / "ledger.copy.db").unlink()
    sealed(ledger.folder, statement)
    with pytest.raises(SweepError, match=rf"tiny/ledger\.db {message}"):
        read_ledger("tiny", tmp_path)


def test_one_damaged_sweep_is_one_line_of_the_list(written, tmp_path):
    write_sweep(tmp_path, "sound")
    for name in ("ledger.db", "ledger.copy.db"):
        (written / name).write_bytes(b"not a database")
    frame = list_sweeps(tmp_path).set_index("sweep")
    assert frame.loc["sound", "status"] == "completed"
    assert "ledger.db is damaged or no ledger" in frame.loc["tiny", "status"]


@pytest.mark.parametrize("value", ["q", "\xb1", "41"])
def test_a_damaged_count_of_trials_is_taken_from_the_rows(written, tmp_path, value):
    before = read_ledger("tiny", tmp_path)
    with closing(sqlite3.connect(written / "ledger.db")) as connection, connection:
        connection.execute("UPDATE sweep SET value = ? WHERE key = 'n_trials'", (value,))
    with pytest.warns(DamagedLedgerWarning, match="gan-sweep resume tiny mends it"):
        assert read_ledger("tiny", tmp_path).trials == before.trials


def test_a_trial_called_like_another_folder_is_refused(ledger, tmp_path):
    ledger.start(trial(0))
    (ledger.folder / "ledger.copy.db").unlink()
    sealed(ledger.folder, "UPDATE trials SET trial_id = '../../tiny'")
    with pytest.raises(SweepError, match=r"'\.\./\.\./tiny' is no trial's name"):
        read_ledger("tiny", tmp_path)
