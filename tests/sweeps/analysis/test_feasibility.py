"""Sweeps with constraints: what ranks, what wins, and what is said where nothing can."""

import json

import pytest

import sweeps
from sweeps.analysis.verdict import verdict
from sweeps.cli import main
from sweeps.errors import UnknownTrialError
from sweeps.record.ledger import Ledger
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from sweeps.report.page import write_report
from tests.sweeps.ledgers import write_confirmation, write_search


def load(results, *fids, constraints):
    """Return a sweep with a trial for each fid; its kid is a tenth of its fid."""
    write_search(results, *fids, spec={"constraints": constraints})
    return sweeps.load("tiny", results)


def test_feasible_trials_come_first_and_win(tmp_path):
    sweep = load(tmp_path, 500.0, 100.0, 300.0, constraints=["kid >= 20"])
    board = sweep.rank()
    assert board["trial_id"].str[-1].tolist() == ["2", "0", "1"]
    assert board["feasible"].tolist() == [True, True, False]
    assert board["rank"].tolist() == [1, 2, 3]
    summary = sweep.summary()
    assert summary["best"]["trial_id"] == "tiny-0002"
    counts = {"feasible": 2, "infeasible": 1, "unknown": 0, "unknown_stopped_early": 0}
    assert summary["constraints"] == {"constraints": ["kid >= 20"]} | counts
    assert board["kid"].tolist() == [30.0, 50.0, 10.0]
    assert [row["trial_id"] for row in sweep.finalists(3)] == ["tiny-0002", "tiny-0000"]
    assert sweep.pareto("fid", "kid")["trial_id"].tolist() == ["tiny-0002"]
    assert len(sweep.rank(where="feasible")) == 2


def test_without_a_feasible_trial_none_wins_and_it_says_so(tmp_path):
    sweep = load(tmp_path, 500.0, 100.0, constraints=["kid <= 5", "fid >= 1"])
    assert sweep.summary()["best"] is None
    with pytest.raises(UnknownTrialError, match=r"tiny meets its constraints, kid <= 5 and fid >= 1$"):
        sweep.finalists(3)
    assert verdict(sweep) == "no trial meets kid <= 5 and fid >= 1, so that none can win."


def test_a_trial_stopped_early_is_judged_at_its_best_report_where_the_metric_is_known(tmp_path):
    folder = write_search(tmp_path, 500.0, 300.0, spec={"constraints": ["kid <= 40", "copies <= 1"]})
    ledger = Ledger(folder, {})
    for number, (fid, kid) in enumerate([(90.0, 50.0), (400.0, 30.0)], 2):
        trial_id = f"tiny-000{number}"
        ledger.start(Trial(trial_id, number, {"lr": 0.5}, {"eval_samples": 200, "seed": number}, False))
        ledger.report(trial_id, 10, {"fid": fid, "kid": kid}, fid)
        ledger.report(trial_id, 20, {"fid": 2 * fid, "kid": 1.0}, fid)
        ledger.end(trial_id, Status.PRUNED)
    ledger.close(Status.COMPLETED)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.summary()["constraints"]["unknown"] == 2
    board = sweep.rank().set_index("trial_id")
    assert board["copies"].isna().all()
    assert board["feasible"].isna().tolist() == [True, True, False, False]
    assert board.index.str[-1].tolist() == ["1", "3", "0", "2"]


def test_a_finalist_that_breaks_a_constraint_over_seeds_cannot_win(tmp_path):
    sweep = load(tmp_path, 500.0, 100.0, 90.0, constraints=["kid >= -150"])
    scores = {"tiny-0002": [140.0, 170.0], "tiny-0001": [130.0, 150.0], "tiny-0000": [500.0, 510.0]}
    confirmed = write_confirmation(sweep.folder, scores)
    frame = confirmed.rank(stage=Stage.CONFIRM)
    assert frame["verdict"].tolist() == ["winner", "infeasible", "infeasible"]
    assert frame["trial_id"].iloc[0] == "tiny-0001"
    assert "every other finalist that meets the constraints" in confirmed.confirmed().conclusion()
    assert "tiny-0001 comes first" in verdict(confirmed)


def test_if_no_finalist_meets_the_constraints_over_seeds_none_wins(tmp_path):
    sweep = load(tmp_path, 500.0, 100.0, constraints=["kid >= -1"])
    confirmed = write_confirmation(sweep.folder, {"tiny-0001": [90.0, 95.0], "tiny-0000": [500.0, 510.0]})
    assert confirmed.confirmed().winner is None
    assert confirmed.confirmed().conclusion() == "no finalist meets the constraints on these seeds"
    assert "on fresh seeds no configuration meets the constraints" in verdict(confirmed)


def test_several_sweeps_rank_infeasible_trials_last(tmp_path):
    write_search(tmp_path, 500.0, 100.0, name="one", spec={"constraints": ["kid >= 20"]})
    write_search(tmp_path, 400.0, 200.0, name="two")
    board = sweeps.load(["one", "two"], tmp_path).rank()
    assert board["trial_id"].tolist() == ["two-0001", "two-0000", "one-0000", "one-0001"]


def test_the_report_and_the_json_have_a_mark(tmp_path, monkeypatch, capsys):
    sweep = load(tmp_path, 500.0, 100.0, constraints=["kid >= 20"])
    page = write_report(sweep).read_text(encoding="utf-8")
    assert "1 meet kid &gt;= 20" in page
    assert "feasible" in page
    monkeypatch.setattr(
        "sys.argv", ["gan-sweep", "rank", "tiny", "--results", str(tmp_path), "--format", "json"]
    )
    with pytest.raises(SystemExit):
        main()
    assert [row["feasible"] for row in json.loads(capsys.readouterr().out)] == [True, False]
