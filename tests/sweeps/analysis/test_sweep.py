from datetime import UTC, datetime
from itertools import combinations
from statistics import mean

import pandas as pd
import pytest

import sweeps
from sweeps.errors import SweepError, UnknownTrialError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.report.figures import plots_of
from tests.sweeps.ledgers import write_sweep


@pytest.fixture
def results(tmp_path):
    """Five trials: the baseline, one stopped early, one that crashed, one still running and one completed."""
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    ledger.describe({"floors": {"fid": 7.0}, "extractor": "sha256:0"})
    for number, fids in enumerate(([90.0, 80.0, 85.0], [40.0, 20.0], [], [50.0], [31.0, 30.0])):
        params = {"lr": 0.1 * (number + 1), "loss": "bce"}
        config = params | {"steps": 30, "eval_samples": 500, "final_samples": 5000}
        trial_id = f"tiny-{number:04d}"
        ledger.start(Trial(trial_id, number, params, config, number == 0))
        for index, fid in enumerate(fids):
            metrics = {"fid": fid, "modes": 9 - index, "g_loss": 0.5}
            ledger.report(trial_id, 10 * (index + 1), metrics, min(fids[: index + 1]))
    ledger.end("tiny-0000", Status.COMPLETED, final={"fid": 96.0, "modes": 3, "memorisation": 1.0})
    ledger.end("tiny-0001", Status.PRUNED)
    ledger.end("tiny-0002", Status.CRASHED, "ValueError: no")
    ledger.end("tiny-0004", Status.COMPLETED, final={"fid": 32.0, "modes": 8, "memorisation": 0.9})
    ledger.close(Status.INTERRUPTED)
    return tmp_path


def test_the_leaderboard_is_best_first_final_scores_before_others_and_failures_last(results):
    frame = sweeps.load("tiny", results).rank()
    assert frame["trial_id"].tolist() == [f"tiny-000{number}" for number in (4, 0, 1, 3, 2)]
    assert frame["rank"].tolist() == [1, 2, 3, 4, pd.NA]
    assert frame["fid"].tolist()[:4] == [32.0, 96.0, 20.0, 50.0]
    assert frame["samples"].tolist() == [5000, 5000, 500, 500, pd.NA]
    assert frame["gain"].tolist()[:4] == [96.0 / 32.0, 1.0, 80.0 / 20.0, 80.0 / 50.0]
    assert frame["status"].tolist() == ["completed", "completed", "pruned", "running", "crashed"]
    assert list(frame.columns[-2:]) == ["lr", "loss"]
    assert sweeps.load("tiny", results).rank(top=1)["trial_id"].tolist() == ["tiny-0004"]


def test_a_trial_that_diverged_has_no_score_whatever_it_reported(tmp_path):
    write_sweep(tmp_path, statuses=[Status.COMPLETED, Status.DIVERGED])
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.trials["fid"].notna().all()
    assert sweep.rank()[["trial_id", "rank"]].to_numpy().tolist() == [["tiny-0000", 1], ["tiny-0001", pd.NA]]
    assert sweep.rank()[["fid", "gain"]].iloc[1].isna().all()
    assert sweep.summary()["best"]["trial_id"] == "tiny-0000"


def test_samples_are_those_of_a_step_or_of_the_best_report(results):
    sweep = sweeps.load("tiny", results)
    assert sweep.samples_file("tiny-0001") == results / "tiny" / "samples" / "tiny-0001" / "20.png"
    assert sweep.samples_file("tiny-0001", 10).name == "10.png"
    with pytest.raises(UnknownTrialError, match="tiny-0002 of the sweep tiny made no report"):
        sweep.samples_file("tiny-0002")


def test_trials_have_a_row_each_and_history_a_row_a_report(results):
    sweep = sweeps.load("tiny", results)
    assert sweep.trials["trial_id"].tolist() == [f"tiny-{number:04d}" for number in range(5)]
    assert sweep.trials["best_step"].tolist() == [20, 20, pd.NA, 10, 20]
    assert sweep.trials["search_fid"].tolist()[:2] == [80.0, 20.0]
    assert sweep.trials["modes"].tolist()[:2] == [3, 8]
    assert sweep.trials["reason"].tolist()[2] == "ValueError: no"
    assert sweep.history["fid"].tolist() == [90.0, 80.0, 85.0, 40.0, 20.0, 50.0, 31.0, 30.0]
    assert sweep.history.columns.tolist() == ["trial_id", "step", "lineage", "fid", "modes", "g_loss"]


def test_the_summary_says_what_was_gained_over_the_defaults(results):
    summary = sweeps.load("tiny", results).summary()
    assert summary["trials"] == {"completed": 2, "pruned": 1, "crashed": 1, "running": 1}
    assert summary["best"] == {
        "trial_id": "tiny-0004",
        "fid": 32.0,
        "samples": 5000,
        "search_fid": 30.0,
        "scores": {"fid": 32.0, "modes": 8, "memorisation": 0.9},
        "flags": {},
        "params": {"lr": 0.5, "loss": "bce"},
    }
    assert (summary["baseline"]["fid"], summary["floors"]) == (96.0, {"fid": 7.0})
    assert summary["fid_floor"] == 7.0


def test_flags_give_the_step_at_which_they_began(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    config = {"lr": 0.1, "eval_samples": 500}
    ledger.start(Trial("tiny-0000", 0, {"lr": 0.1}, config, is_baseline=True))
    ledger.report("tiny-0000", 30, {"fid": 9.0}, 9.0, {"collapse": 10, "discriminator-won": 20})
    ledger.close(Status.COMPLETED)
    (flags,) = sweeps.load("tiny", tmp_path).rank()["flags"]
    assert flags == "collapse since 10, discriminator-won since 20"


def test_a_sweep_without_trials_ranks_to_an_empty_table(tmp_path):
    Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {}).close(Status.INTERRUPTED)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.rank().empty
    assert sweep.rank(by="kid").empty
    assert sweep.history.empty
    assert sweep.summary()["best"] is None


def test_it_ranks_by_another_metric(results):
    sweep = sweeps.load("tiny", results)
    with pytest.raises(SweepError, match=r"tiny has no metric 'kid'; allowed: fid"):
        sweep.rank(by="kid")
    with pytest.raises(
        SweepError, match=r"no stage 'confrim'; allowed: search, confirm; did you mean 'confirm'\?"
    ):
        sweep.rank(stage="confrim")


def test_a_condition_filters_trials_and_keeps_their_gains(results):
    frame = sweeps.load("tiny", results).rank(where="lr > 0.15 and status == 'pruned'")
    assert frame["trial_id"].tolist() == ["tiny-0001"]
    assert (frame["rank"].tolist(), frame["gain"].tolist()) == ([1], [80.0 / 20.0])


def test_failures_are_counted_by_kind_and_by_loss(results):
    frame = sweeps.load("tiny", results).failures()
    assert frame.to_dict("records") == [{"kind": "ValueError", "loss": "bce", "trials": 1}]


def test_the_best_to_expect_of_k_trials_leaves_out_what_crashed(results):
    frame = sweeps.load("tiny", results).best_of_k(by="loss")
    assert frame["loss"].unique().tolist() == ["bce"]
    assert frame["trials"].tolist() == [1, 2, 3, 4]
    scores = [80.0, 20.0, 50.0, 30.0]
    for k, expected in zip(frame["trials"], frame["mean"], strict=True):
        assert expected == pytest.approx(mean(map(min, combinations(scores, k))))
    assert sweeps.load("tiny", results).best_of_k()["mean"].tolist() == frame["mean"].tolist()
    with pytest.raises(SweepError, match="no parameter 'los'"):
        sweeps.load("tiny", results).best_of_k(by="los")


def test_the_pareto_front_of_two_metrics(tmp_path):
    metrics = [{"name": "fid", "goal": "minimize"}, {"name": "recall", "goal": "maximize"}]
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"metric": metrics})
    scores = [(10.0, 0.1), (20.0, 0.5), (30.0, 0.4), (20.0, 0.5), (5.0, 0.05), (40.0, 0.9)]
    for number, (fid, recall) in enumerate(scores):
        config = {"eval_samples": 500, "final_samples": 500, "loss": "bce"}
        ledger.start(Trial(f"tiny-{number:04d}", number, {}, config, number == 0))
        ledger.report(f"tiny-{number:04d}", 10, {"fid": fid, "recall": recall}, fid)
        ledger.end(f"tiny-{number:04d}", Status.COMPLETED, final={"fid": fid, "recall": recall})
    ledger.close(Status.COMPLETED)
    sweep = sweeps.load("tiny", tmp_path)
    front = ["tiny-0004", "tiny-0000", "tiny-0001", "tiny-0003", "tiny-0005"]
    assert sweep.pareto()["trial_id"].tolist() == front
    assert sweep.pareto()["recall"].tolist() == [0.05, 0.1, 0.5, 0.5, 0.9]
    assert sweep.rank()["trial_id"][sweep.rank()["pareto"]].tolist() == front
    assert sweep.pareto("fid")["trial_id"].tolist() == ["tiny-0004"]


def test_importances_need_no_study(results):
    sweep = sweeps.load("tiny", results)
    frame = sweep.importances()
    assert sorted(frame["parameter"]) == sorted(sweep.searched)
    assert frame["importance"].is_monotonic_decreasing


def test_the_list_has_a_row_a_sweep_the_newest_first(results):
    newer = Ledger(create_sweep_folder(results, "newer", exact=False), {"name": "newer"})
    newer.close(Status.COMPLETED)
    foreign = Ledger(create_sweep_folder(results, "foreign", exact=False), {})
    foreign.describe({"format_version": 99, "started_at": 0})
    foreign.close(Status.COMPLETED)
    frame = sweeps.list_sweeps(results).set_index("sweep")
    assert set(frame.index) == {"newer", "tiny", "foreign"}
    assert frame.index[-1] == "foreign"
    tiny = frame.loc["tiny"]
    assert (tiny["status"], tiny["trials"], tiny["score"], tiny["best"]) == (
        "interrupted",
        5,
        32.0,
        "tiny-0004",
    )
    assert "format 99" in frame["status"]["foreign"]
    started_at = sweeps.load("tiny", results).facts["started_at"]
    assert tiny["began"] == f"{datetime.fromtimestamp(started_at, UTC):%Y-%m-%d %H:%M} UTC"
    assert sweeps.list_sweeps(results / "nowhere").empty


def test_a_sweep_is_refreshed_and_shows_itself_in_a_line(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), {"name": "tiny"})
    sweep = sweeps.load("tiny", tmp_path)
    assert (len(sweep.trials), len(sweep.history)) == (0, 0)
    assert repr(sweep) == "<Sweep 'tiny': interrupted, 0 trials>"
    ledger.start(Trial("tiny-0000", 0, {}, {"eval_samples": 500}, is_baseline=True))
    ledger.report("tiny-0000", 10, {"fid": 1234.5}, 1234.5)
    ledger.end("tiny-0000", Status.PRUNED)
    ledger.close(Status.COMPLETED)
    assert sweep.refresh() is sweep
    assert (len(sweep.trials), len(sweep.history), len(sweep.rank())) == (1, 1, 1)
    assert repr(sweep) == "<Sweep 'tiny': completed, 1 trial, best fid 1234 (tiny-0000)>"


def test_the_parameter_precision_and_the_score_precision_have_columns_of_their_own(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), {"name": "tiny"})
    for number, precision in enumerate(("fp32", "bf16", "fp32", "bf16")):
        params = {"precision": precision}
        config = params | {"eval_samples": 500, "final_samples": 5000}
        ledger.start(Trial(f"tiny-{number:04d}", number, params, config, number == 0))
        ledger.report(f"tiny-{number:04d}", 10, {"fid": 10.0 * number, "precision": 0.5}, 10.0 * number)
    ledger.close(Status.INTERRUPTED)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.searched == ["precision_of_training"]
    assert sweep.trials[sweep.searched[0]].tolist() == ["fp32", "bf16", "fp32", "bf16"]
    assert sweep.trials["precision"].tolist() == [0.5] * 4
    assert plots_of(sweep)[-1].name == "slice-precision_of_training"


@pytest.mark.parametrize("statuses", [[], [Status.CRASHED]])
def test_before_the_first_score_every_metric_can_be_asked_for(tmp_path, statuses):
    write_sweep(tmp_path, statuses=statuses)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.rank(by="kid")["rank"].isna().all()
    assert not len(sweep.pareto("fid", "kid"))


def test_a_trial_that_the_sweep_does_not_have_is_not_judged(tmp_path):
    write_sweep(tmp_path, statuses=[])
    with pytest.raises(UnknownTrialError, match="no trial 'tiny-0001' in the sweep tiny"):
        sweeps.load("tiny", tmp_path).judge("tiny-0001")
