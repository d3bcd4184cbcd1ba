import re

import pytest

from sweeps.errors import SweepError, SweepExistsError, UnknownSweepError
from sweeps.ledger import Ledger, Trial, create_sweep_folder, read_ledger, read_reports, sweep_names
from sweeps.past import Past
from sweeps.status import Stage, Status


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


def test_a_name_that_is_taken_gives_the_next_free_one(tmp_path):
    names = [create_sweep_folder(tmp_path, "tiny", exact=False).name for _ in range(3)]
    assert names == ["tiny", "tiny-2", "tiny-3"]


def test_an_exact_name_must_be_free(tmp_path):
    create_sweep_folder(tmp_path, "tiny", exact=True)
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
        (1, "an older gan-sweep (gan-sweep 0.0.7, format 1; this one reads 7): read it with that one"),
        (99, "a newer gan-sweep (gan-sweep 0.0.7, format 99; this one reads 7): update gan-sweep"),
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
