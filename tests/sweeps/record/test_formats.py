"""Records of earlier formats are read as they are, and migrated by a command that continues a sweep."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sweeps.analysis.loading import load
from sweeps.errors import SweepError
from sweeps.record.follower import Follower
from sweeps.record.ledger import Ledger
from sweeps.record.reading import read_ledger, read_reports
from sweeps.record.schema import FORMAT_VERSION, OLDEST_FORMAT
from sweeps.record.status import Stage, Status

FORMATS = Path(__file__).parent / "formats"


def stored(results, version):
    """Put a stored record of a format, of a killed confirmation, into a sweep's folder."""
    folder = results / "old"
    folder.mkdir()
    shutil.copyfile(FORMATS / f"format{version}.db", folder / "ledger.db")
    return folder


def contents(results):
    record = read_ledger("old", results)
    facts = {key: value for key, value in record.facts.items() if key not in {"written_by", "since"}}
    return facts, record.trials, record.replicas, read_reports(record.folder)


def test_every_format_that_is_read_is_stored():
    names = [f"format{version}.db" for version in range(OLDEST_FORMAT, FORMAT_VERSION)]
    assert sorted(path.name for path in FORMATS.iterdir()) == names


def test_a_record_of_format_8_is_read_and_left_as_it_is(tmp_path):
    folder = stored(tmp_path, 8)
    before = (folder / "ledger.db").read_bytes()
    sweep = load("old", tmp_path)
    ranked = sweep.rank()
    assert ranked["trial_id"].tolist()[:3] == ["old-0007", "old-0002", "old-0000"]
    assert ranked["fid"][0] == pytest.approx(579.749)
    assert sweep.facts["confirmation"]["status"] == Status.INTERRUPTED
    assert sweep.history["lineage"].eq(0).all()
    assert len(sweep.history) + len(read_reports(folder, Stage.CONFIRM)) == 30
    follower = Follower(folder)
    assert sum(map(len, follower.new_reports().values())) == 30
    assert follower.trial("old-0007")["best_metrics"]["fid"] == pytest.approx(585.037)
    assert (folder / "ledger.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]


def test_a_record_of_format_8_is_migrated_for_writing(tmp_path):
    folder = stored(tmp_path, 8)
    before = contents(tmp_path)
    Ledger(folder, {}, before[0]["confirmation"]).abandon()
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE sql NOT NULL")}
        assert tables == {"sweep", "trials", "reports", "sqlite_sequence"}
    after = contents(tmp_path)
    assert (after[0]["format_version"], after[1:]) == (FORMAT_VERSION, before[1:])
    assert after[0]["spec"] == before[0]["spec"]
    shutil.copyfile(folder / "ledger.format8.db", folder / "ledger.db")
    assert contents(tmp_path) == before


def test_reports_of_format_8_get_the_lineage_of_their_time(tmp_path):
    folder = stored(tmp_path, 8)
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        times = [
            at for (at,) in connection.execute("SELECT reported_at FROM reports WHERE trial_id = 'old-0007'")
        ]
        take_overs = f'[{{"trial_id": "old-0002", "step": 480, "params": {{}}, "at": {times[2] - 0.01}}}]'
        connection.execute("UPDATE trials SET take_overs = ? WHERE trial_id = 'old-0007'", (take_overs,))
        connection.execute("UPDATE reports SET metrics = replace(metrics, '}', ', \"kid\": NaN}')")
    history = load("old", tmp_path).history.query("trial_id == 'old-0007'")
    assert history["lineage"].tolist() == [0, 0, 1, 1, 1]
    assert history["kid"].isna().all()
    [row] = [row for row in read_ledger("old", tmp_path).trials if row["trial_id"] == "old-0007"]
    assert (row["best_lineage"], row["best_step"]) == (1, 1200)
    assert row["best_metrics"]["fid"] == pytest.approx(585.037)


def test_a_list_of_one_value_in_format_8_is_no_searched_parameter(tmp_path):
    folder = stored(tmp_path, 8)
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        connection.execute(
            "UPDATE sweep SET value = replace(value, '[0.99, 0.999]', '[0.9]') WHERE key = 'spec'"
        )
        connection.execute(
            "UPDATE trials SET params = json_set(params, '$.beta2', 0.9) WHERE NOT is_baseline"
        )
    params = {row["trial_id"]: row["params"] for row in read_ledger("old", tmp_path).trials}
    assert params.pop("old-0000")["beta2"] == 0.999
    assert params
    assert not [each for each in params.values() if "beta2" in each]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (7, "an older gan-sweep (gan-sweep 0.1.0, format 7; this one reads 8 to 9): read it with that one"),
        (99, "a newer gan-sweep (gan-sweep 0.1.0, format 99; this one reads 8 to 9): update gan-sweep"),
    ],
)
def test_another_format_is_refused(tmp_path, version, message):
    folder = stored(tmp_path, 8)
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        connection.execute("UPDATE sweep SET value = ? WHERE key = 'format_version'", (version,))
    for refused in (lambda: read_ledger("old", tmp_path), lambda: Ledger(folder, {})):
        with pytest.raises(SweepError, match=re.escape(message)):
            refused()
