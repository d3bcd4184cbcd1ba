from dataclasses import replace
from math import inf, nan

import pytest

from sweeps.analysis.loading import load
from sweeps.analysis.summary import elapsed_s
from sweeps.errors import SweepExistsError, UnknownSweepError
from sweeps.record.follower import Follower
from sweeps.record.layout import create_sweep_folder, sweep_names
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_facts, read_ledger, read_reports, spec_in_effect
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from tests.sweeps.ledgers import write_sweep
from tests.sweeps.record.trials import trial


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
        {"trial_id": "tiny-0000", "step": 10, "lineage": 0, "fid": 30.0, "g_loss": 1 / 3},
        {"trial_id": "tiny-0000", "step": 20, "lineage": 0, "fid": 40.0, "g_loss": 0.5},
    ]


def test_the_time_between_two_runs_of_a_sweep_does_not_count(tmp_path, monkeypatch):
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


def test_a_folder_of_a_command_killed_before_it_made_the_record_is_free(tmp_path):
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


def test_an_unknown_sweep_without_others_says_that_there_are_none(tmp_path):
    with pytest.raises(UnknownSweepError, match="there are no sweeps yet"):
        read_ledger("tiny", tmp_path)


def test_the_final_scores_of_a_trial_are_kept(ledger, tmp_path):
    ledger.start(trial(0))
    ledger.end("tiny-0000", Status.COMPLETED, final={"fid": 31.0})
    (row,) = read_ledger("tiny", tmp_path).trials
    assert (row["status"], row["final"]) == ("completed", {"fid": 31.0})


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


def test_the_time_between_two_runs_of_a_confirmation_does_not_count(tmp_path, monkeypatch):
    now, settings = 1000.0, {"top": 1}
    monkeypatch.setattr("sweeps.record.ledger.time", lambda: now)
    folder = create_sweep_folder(tmp_path, "tiny", exact=True)
    Ledger(folder, {"name": "tiny"}).close(Status.COMPLETED)
    killed = Ledger(folder, {"name": "tiny"}, settings)
    killed.start(replica(1, "tiny-0000"))
    now = 1010.0
    killed.report("tiny-0000-seed1", 10, {"fid": 5.0}, 5.0)
    killed.abandon()
    now = 100_000.0
    stopped = Ledger(folder, {"name": "tiny"}, settings)
    now = 100_020.0
    stopped.close(Status.INTERRUPTED)
    now = 200_000.0
    resumed = Ledger(folder, {"name": "tiny"}, settings)
    now = 200_003.0
    resumed.close(Status.COMPLETED)
    facts = read_ledger("tiny", tmp_path).facts["confirmation"]
    assert facts["started_at"] == 1000
    assert elapsed_s(facts) == 10 + 20 + 3


def test_the_spec_stays_as_it_was_and_changes_are_beside_it(tmp_path):
    spec = {"name": "tiny", "trials": 2, "time_budget": None}
    folder = create_sweep_folder(tmp_path, "tiny", exact=True)
    Ledger(folder, spec).close(Status.COMPLETED)
    for change in (
        {"command": "resume", "trials": 4, "time_budget": None},
        {"command": "resume", "trials": 4, "time_budget": 60.0},
        {"command": "resume", "trials": 4, "time_budget": 60.0},
        {"command": "confirm", "settings": {"top": 2}},
    ):
        Ledger(folder, spec | {"trials": 9}, change=change).close(Status.COMPLETED)
    facts = read_ledger("tiny", tmp_path).facts
    assert facts["spec"] == spec
    changes = [{key: value for key, value in each.items() if key != "at"} for each in facts["changes"]]
    assert changes == [
        {"command": "resume", "trials": 4},
        {"command": "resume", "time_budget": 60.0},
        {"command": "confirm", "settings": {"top": 2}},
    ]
    assert spec_in_effect(facts) == spec | {"trials": 4, "time_budget": 60.0}


def donated(step):
    return {"donor": "tiny-0001", "step": step}


def test_reports_from_before_a_take_over_are_kept(ledger, tmp_path):
    for number in (0, 1):
        ledger.start(trial(number))
    for step, fid in ((10, 50.0), (20, 40.0), (30, 30.0)):
        ledger.report("tiny-0000", step, {"fid": fid}, fid)
    ledger.take_over(replace(trial(0), params={"lr": 7.0}), **donated(10))
    ledger.report("tiny-0000", 20, {"fid": 30.0}, 30.0)
    reports = read_reports(ledger.folder)
    found = [(report["lineage"], report["step"], report["fid"]) for report in reports]
    assert found == [(0, 10, 50.0), (0, 20, 40.0), (0, 30, 30.0), (1, 20, 30.0)]
    record = read_ledger("tiny", tmp_path)
    row = record.trials[0]
    assert (row["best_lineage"], row["best_step"], row["best_metrics"]) == (1, 20, {"fid": 30.0})
    past = Past.read(record)
    assert [(report["step"], report["fid"]) for report in past.reports["tiny-0000"]] == [
        (10, 50.0),
        (20, 30.0),
    ]
    assert past.last_step("tiny-0000") == 20
    assert Follower(ledger.folder).reports_of("tiny-0000") == [
        {"step": 10, "fid": 50.0},
        {"step": 20, "fid": 30.0},
    ]


def test_a_report_that_is_made_again_replaces_the_first_and_is_followed_again(ledger):
    ledger.start(trial(0))
    follower = Follower(ledger.folder)
    for step in (10, 20):
        ledger.report("tiny-0000", step, {"fid": 50.0}, 50.0)
    assert [report["step"] for report in follower.new_reports()["tiny-0000"]] == [10, 20]
    ledger.report("tiny-0000", 10, {"fid": 49.0}, 49.0)
    [report] = follower.new_reports()["tiny-0000"]
    assert (report["step"], report["lineage"], report["metrics"]) == (10, 0, {"fid": 49.0})
    assert [report["fid"] for report in read_reports(ledger.folder)] == [49.0, 50.0]


def test_a_metric_that_is_not_finite_is_null_and_such_a_score_is_refused(ledger, tmp_path):
    ledger.start(trial(0))
    ledger.report("tiny-0000", 10, {"fid": 50.0, "g_loss": nan, "kid": inf}, 50.0)
    ledger.end("tiny-0000", Status.COMPLETED, final={"fid": 49.0, "kid": -inf})
    [row] = read_ledger("tiny", tmp_path).trials
    assert row["best_metrics"] == {"fid": 50.0, "g_loss": None, "kid": None}
    assert row["final"] == {"fid": 49.0, "kid": None}
    assert load("tiny", tmp_path).history["g_loss"].isna().all()
    assert Follower(ledger.folder).new_reports()["tiny-0000"][0]["metrics"] == {"fid": 50.0}
    for score in (nan, inf):
        with pytest.raises(ValueError, match=f"the score of tiny-0000 at step 20 is {score}"):
            ledger.report("tiny-0000", 20, {"fid": score}, score)


def test_a_sweep_that_is_killed_as_it_begins_has_its_warm_start(tmp_path):
    earlier = [{"params": {"lr": 0.1}, "score": 5.0}]
    folder = create_sweep_folder(tmp_path, "warm", exact=True)
    Ledger(folder, {"name": "warm"}, warm_start=earlier).abandon()
    assert read_facts(folder)["warm_start"] == earlier
