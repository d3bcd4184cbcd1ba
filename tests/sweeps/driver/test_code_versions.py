"""The version of the code that each trial is trained with."""

import pytest

from sweeps.cluster.code import code_of
from sweeps.driver.code_versions import CodeVersions
from sweeps.record.code import CODE
from sweeps.record.ledger import Ledger
from sweeps.record.reading import read_facts
from tests.sweeps.ledgers import SPEC


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "versioned.py").write_text("x = 1\n", encoding="utf-8")
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    ledger = Ledger(folder, SPEC)
    yield ledger
    ledger.abandon()


def test_files_that_change_while_a_sweep_runs_are_another_version(ledger, tmp_path):
    code = code_of(["versioned:x"])
    versions = CodeVersions(ledger, code)
    first = code.version()["files"]
    assert versions.number_of(first) == (1, None)
    (tmp_path / "versioned.py").write_text("x = 2\n", encoding="utf-8")
    second = code.version()["files"]
    assert versions.number_of(second) == (2, "trains with changed code: versioned.py differs")
    assert versions.number_of(second) == (2, None)
    assert versions.number_of(first) == (1, None)
    facts = read_facts(ledger.folder)[CODE]
    assert [each["files"] for each in facts] == [first, second]
    copies = [(ledger.folder / each["folder"] / "versioned.py").read_text() for each in facts]
    assert copies == ["x = 1\n", "x = 2\n"]


def test_code_that_is_as_before_is_no_new_version_and_restored_code_is(ledger, tmp_path):
    texts = ["x = 1\n", "x = 1\n", "x = 2\n", "x = 1\n"]
    for text in texts:
        (tmp_path / "versioned.py").write_text(text, encoding="utf-8")
        CodeVersions(ledger, code_of(["versioned:x"]))
    assert [each["folder"] for each in read_facts(ledger.folder)[CODE]] == ["code/1", "code/2", "code/3"]


def test_a_sweep_without_users_code_records_none(ledger):
    CodeVersions(ledger, code_of([]))
    assert CODE not in read_facts(ledger.folder)
    assert not (ledger.folder / "code").exists()
