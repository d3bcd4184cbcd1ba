"""The result of a confirmation, from records that the tests write."""

import re

import numpy as np
import pytest

import sweeps
from sweeps.analysis.verdict import gain_sentence, verdict
from sweeps.errors import SweepError
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_confirmation, write_search


def test_the_finalists_have_means_differences_verdicts_and_the_score_of_the_search(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {
        "tiny-0001": [120.0, 130.0, 125.0, 128.0],
        "tiny-0002": [118.0, 133.0, 129.0, 121.0],
        "tiny-0000": [420.0, 400.0, 410.0, 390.0],
    }
    sweep = write_confirmation(folder, scores)
    frame = sweep.rank(stage="confirm").set_index("trial_id")
    assert frame.index.tolist() == ["tiny-0002", "tiny-0001", "tiny-0000"]
    assert frame["verdict"].tolist() == ["winner", "tie", "worse"]
    assert frame["mean"]["tiny-0001"] == pytest.approx(np.prod(scores["tiny-0001"]) ** 0.25, rel=0.01)
    assert (frame["mean_low"] < frame["mean"]).all()
    assert (frame["mean"] < frame["mean_high"]).all()
    assert frame["vs_winner"]["tiny-0000"] == pytest.approx(
        frame["mean"]["tiny-0000"] / frame["mean"].iloc[0]
    )
    assert frame["vs_low"]["tiny-0000"] > 1
    assert frame["fid_in_search"].tolist() == [111.0, 101.0, 401.0]
    assert frame["gain"]["tiny-0000"] == 1
    assert 1 < frame["expected_loss"]["tiny-0002"] < 1.1 < 3 < frame["expected_loss"]["tiny-0000"]
    assert frame["failure_rate"].tolist() == [0, 0, 0]
    assert (
        sweep.confirmed()
        .conclusion()
        .startswith("tiny-0002 is not significantly better than tiny-0001 (4 seeds, 95 %); --until-resolved")
    )


def test_a_finalist_that_diverged_on_most_seeds_does_not_win_and_one_divergence_decides_nothing(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {
        "tiny-0001": [50.0, Status.DIVERGED, Status.DIVERGED],
        "tiny-0002": [130.0, Status.DIVERGED, 132.0],
        "tiny-0000": [Status.CRASHED, Status.DIVERGED, 400.0],
    }
    frame = write_confirmation(folder, scores).rank(stage="confirm").set_index("trial_id")
    assert frame["verdict"]["tiny-0002"] == "winner"
    assert frame["verdict"]["tiny-0001"] == "failed"
    assert frame["failed"].to_dict() == {
        "tiny-0002": "1 diverged",
        "tiny-0001": "2 diverged",
        "tiny-0000": "1 failed, 1 diverged",
    }
    assert frame["seeds"].to_dict() == {"tiny-0002": 2, "tiny-0001": 1, "tiny-0000": 1}
    assert frame["failure_rate"].tolist() == pytest.approx([1 / 3, 1 / 2, 2 / 3])
    assert (frame["failure_low"] < frame["failure_rate"]).all()


def test_a_killed_worker_decides_nothing(tmp_path):
    """The winner has a mean of 101, the defaults 80.5 and a crash: that crash made the gain significant."""
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {"tiny-0001": [99.0, 101.0, 103.0], "tiny-0000": [80.0, 81.0, Status.CRASHED]}
    sweep = write_confirmation(folder, scores)
    assert sweep.confirmed().winner == "tiny-0000"
    assert not sweep.judge("tiny-0001").is_significant
    assert sweep.rank(stage="confirm")["failed"].tolist() == ["1 failed", ""]


def test_the_six_scores_that_three_seeds_gave_show_a_gain(tmp_path):
    folder = write_search(tmp_path, 1276.0, 210.0)
    scores = {"tiny-0001": [246.0, 355.0, 358.0], "tiny-0000": [874.0, 1136.0, 1305.0]}
    gain = write_confirmation(folder, scores).summary()["confirmation"]["gain"]
    assert gain["is_significant"]
    assert gain["mean"] == pytest.approx(3.46, rel=0.01)
    assert 1.9 < gain["low"] < 2.3 < 5 < gain["high"] < 6.2
    assert gain["probability_of_no_gain"] < 0.001


def test_each_format_has_the_gain_over_the_defaults_with_its_interval_and_probability(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {"tiny-0001": [100.0, 101.0], "tiny-0002": [200.0, 210.0], "tiny-0000": [400.0, 410.0]}
    sweep = write_confirmation(folder, scores)
    frame = sweep.rank(stage="confirm").set_index("trial_id")
    gain, row = sweep.summary()["confirmation"]["gain"], frame.loc["tiny-0001"]
    assert [row[name] for name in ("gain", "gain_low", "gain_high", "probability_of_no_gain")] == [
        gain[name] for name in ("mean", "low", "high", "probability_of_no_gain")
    ]
    assert row["gain_low"] < row["gain"] < row["gain_high"]
    assert frame["gain"]["tiny-0000"] == 1
    assert frame[["gain_low", "probability_of_no_gain"]].loc["tiny-0000"].isna().all()
    kid = sweep.rank(by="kid", stage="confirm").set_index("trial_id")
    assert kid["gain"]["tiny-0001"] == pytest.approx(-304.5, abs=0.1)
    assert kid["gain_low"]["tiny-0001"] < kid["gain"]["tiny-0001"] < kid["gain_high"]["tiny-0001"]


def test_an_outlier_among_seeds_is_named_and_hardly_moves_the_mean(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {"tiny-0001": [100.0, 101.0, 99.0, 700.0], "tiny-0000": [400.0, 410.0, 390.0, 405.0]}
    sweep = write_confirmation(folder, scores)
    row = sweep.rank(stage="confirm").iloc[0]
    assert (row["trial_id"], row["failed"], row["failure_rate"]) == ("tiny-0001", "1 outlier", 0.25)
    assert row["mean"] < 120
    assert sweep.judge("tiny-0001").is_significant


def test_a_configuration_without_enough_memory_cannot_win_and_is_named(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    full = (Status.CRASHED, "OutOfMemory: the worker had too little memory")
    scores = {"tiny-0001": [full, full], "tiny-0000": [400.0, 410.0]}
    sweep = write_confirmation(folder, scores)
    assert sweep.confirmed().winner == "tiny-0000"
    assert (
        sweep.confirmed().conclusion().endswith("; tiny-0001 ran out of memory on every seed and cannot win")
    )
    assert sweep.rank(stage="confirm")["failed"].tolist() == ["", "2 out of memory"]


def test_the_outlook_names_the_chance_of_more_seeds(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {"tiny-0001": [100.0, 110.0], "tiny-0002": [150.0, 130.0], "tiny-0000": [800.0, 820.0]}
    outlook = write_confirmation(folder, scores).confirmed().outlook()
    assert re.fullmatch(
        r"\d more seeds? would separate tiny-0002 from tiny-0001 with a chance of \d+ %", outlook
    )
    clear = {"tiny-0001": [100.0, 101.0, 102.0], "tiny-0000": [900.0, 905.0, 910.0]}
    assert write_confirmation(write_search(tmp_path / "b", 900.0, 100.0), clear).confirmed().outlook() is None


def test_the_conclusion_names_failures_and_the_only_finalist(tmp_path):
    alone = write_confirmation(write_search(tmp_path / "alone", 400.0), {"tiny-0000": [400.0, 410.0]})
    assert alone.confirmed().conclusion() == "tiny-0000 is the only finalist"
    scores = {"tiny-0001": [100.0, 101.0], "tiny-0000": [Status.DIVERGED] * 2}
    failed = write_confirmation(write_search(tmp_path, 400.0, 100.0), scores)
    assert failed.confirmed().conclusion() == (
        "tiny-0001 is significantly better than every other finalist, or has failed less often"
        " (2 seeds, 95 %)"
    )


def test_the_seconds_of_a_confirmation_leave_out_pauses(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    sweep = write_confirmation(folder, {"tiny-0001": [100.0, 110.0], "tiny-0000": [400.0, 390.0]})
    ledger = Ledger(folder, sweep.facts["spec"])
    times = {"started_at": 1000.0, "before_s": 40.0, "since": 5000.0, "ended_at": 5002.0}
    ledger.describe({"confirmation": sweep.facts["confirmation"] | times})
    ledger.close(Status.COMPLETED)
    assert sweep.refresh().summary()["confirmation"]["seconds"] == 42


def test_rank_shows_the_seeds_of_finalists_and_marks_ties(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0, 104.0, 700.0)
    scores = {"tiny-0001": [120.0, 130.0, 125.0], "tiny-0000": [820.0, 800.0, 810.0]}
    frame = write_confirmation(folder, scores).rank().set_index("trial_id")
    assert frame.index[0] == "tiny-0001"
    assert frame["seeds"].dropna().to_dict() == {"tiny-0001": 3, "tiny-0000": 3}
    assert frame["tie"].dropna().to_dict() == {"tiny-0001": True, "tiny-0004": False, "tiny-0000": False}


def test_without_scores_on_two_seeds_a_tie_is_unknown(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    begun = {"tiny-0001": [120.0, Status.INTERRUPTED], "tiny-0000": [420.0, Status.INTERRUPTED]}
    frame = write_confirmation(folder, begun, Status.INTERRUPTED).rank()
    assert frame.set_index("trial_id")["tie"].isna()["tiny-0002"]
    failed = dict.fromkeys(["tiny-0001", "tiny-0000"], [Status.DIVERGED] * 2)
    folder = write_search(tmp_path / "failed", 400.0, 100.0, 110.0)
    assert write_confirmation(folder, failed).rank()["tie"].isna().all()


def test_a_replica_took_over_nothing(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    sweep = write_confirmation(folder, {"tiny-0001": [100.0, 110.0], "tiny-0000": [400.0, 390.0]})
    assert sweep.take_overs_of("tiny-0001-seed1") == []


def test_the_search_is_ranked_as_before(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    before = sweeps.load("tiny", tmp_path)
    after = write_confirmation(folder, {"tiny-0001": [1.0, 2.0], "tiny-0000": [Status.CRASHED, 5.0]})
    assert after.rank()[list(before.rank())].equals(before.rank())
    assert after.trials.equals(before.trials)
    summary = {key: value for key, value in after.summary().items() if key != "confirmation"}
    assert summary == {key: value for key, value in before.summary().items() if key != "confirmation"}
    assert after.count(Status.CRASHED) == 0


@pytest.mark.parametrize(("max_seeds", "more"), [(3, None), (4, "1 more seed would")])
def test_the_outlook_counts_seeds_up_to_max_seeds(tmp_path, max_seeds, more):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {
        "tiny-0001": [120.0, 130.0, 125.0],
        "tiny-0002": [118.0, 133.0, 129.0],
        "tiny-0000": [420.0, 400.0, 410.0],
    }
    settings = {"seeds": 3, "until_resolved": True, "max_seeds": max_seeds}
    outlook = write_confirmation(folder, scores, **settings).confirmed().outlook()
    assert outlook is None if more is None else outlook.startswith(more)


def test_until_resolved_ends_with_a_significant_winner(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    scores = {
        "tiny-0001": [100.0, 101.0, 100.5],
        "tiny-0002": [450.0, 451.0, 450.5],
        "tiny-0000": [900.0, 901.0, 900.5],
    }
    sweep = write_confirmation(folder, scores, seeds=3, until_resolved=True)
    assert sweep.confirmed().conclusion() == (
        "tiny-0001 is significantly better than every other finalist (3 seeds, 95 %)"
    )
    assert sweep.summary()["confirmation"]["tied"] == []


def test_an_interrupted_confirmation_says_so(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {"tiny-0001": [100.0, 110.0], "tiny-0000": [400.0, Status.INTERRUPTED]}
    sweep = write_confirmation(folder, scores, Status.INTERRUPTED)
    assert "not finished: gan-sweep resume" in sweep.confirmed().conclusion()
    assert sweeps.list_sweeps(tmp_path)["status"].tolist() == ["interrupted"]
    assert sweep.rank(stage="confirm")["seeds"].tolist() == [2, 1]


def test_the_finalists_are_the_best_configurations_and_the_defaults(tmp_path):
    write_search(tmp_path, 400.0, 100.0, 110.0, 104.0)
    sweep = sweeps.load("tiny", tmp_path)
    assert [row["trial_id"] for row in sweep.finalists(2)] == ["tiny-0001", "tiny-0003", "tiny-0000"]
    assert len(sweep.finalists(10)) == 4


def test_the_defaults_are_a_finalist_beside_the_best_also_if_the_search_ranks_them_first(tmp_path):
    write_search(tmp_path, 90.0, 100.0, 110.0, 104.0)
    sweep = sweeps.load("tiny", tmp_path)
    assert [row["trial_id"] for row in sweep.finalists(2)] == ["tiny-0001", "tiny-0003", "tiny-0000"]
    write_search(tmp_path / "alone", 90.0)
    assert [row["trial_id"] for row in sweeps.load("tiny", tmp_path / "alone").finalists(2)] == ["tiny-0000"]


def test_a_sweep_without_a_confirmation_has_no_finalists_to_rank(tmp_path):
    write_search(tmp_path, 400.0)
    with pytest.raises(SweepError, match="type gan-sweep confirm tiny"):
        sweeps.load("tiny", tmp_path).rank(stage="confirm")


def test_another_metric_has_its_own_winner(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    sweep = write_confirmation(folder, {"tiny-0001": [100.0, 110.0], "tiny-0000": [400.0, 410.0]})
    frame = sweep.rank(by="kid", stage="confirm")
    assert frame["trial_id"].tolist() == ["tiny-0000", "tiny-0001"]
    assert frame["vs_winner"].tolist() == pytest.approx([0.0, 300.0], abs=0.1)
    assert frame["mean"].tolist() == pytest.approx([-405.0, -105.0], abs=0.1)
    assert (frame["mean_low"] < frame["mean"]).all()


def test_a_confirmation_with_added_seeds_allows_for_the_earlier_comparison(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {
        "tiny-0001": [100.0, 110.0, 95.0, 99.0, 104.0],
        "tiny-0000": [150.0, 170.0, 160.0, 140.0, 155.0],
    }
    once = write_confirmation(folder, scores)
    limit = once.confirmed().comparison.limit
    ledger = Ledger(folder, once.facts["spec"])
    ledger.describe({"changes": [{"command": "confirm", "settings": {"seeds": 3}}]})
    ledger.close(Status.COMPLETED)
    added = once.refresh().confirmed()
    assert added.contest.all_looks == (3, 5)
    assert added.comparison.limit < limit
    assert added.conclusion().endswith(" (5 seeds, also compared at 3, 95 %)")


def test_uneven_seeds_are_named(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {"tiny-0001": [100.0, 110.0, Status.CRASHED], "tiny-0000": [900.0, 950.0, 920.0]}
    assert write_confirmation(folder, scores).confirmed().conclusion().endswith(" (2 to 3 seeds, 95 %)")


@pytest.mark.parametrize(
    ("scores", "is_significant", "reason"),
    [
        ({"tiny-0001": [900.0, 950.0]}, False, "the trial has the default configuration"),
        ({"tiny-0001": [100.0, 105.0]}, True, "the probability that the defaults are as good is .*"),
        (
            {"tiny-0001": [100.0, 105.0], "tiny-0000": [Status.CRASHED] * 2},
            None,
            "the defaults have no score on fresh seeds",
        ),
    ],
)
def test_json_python_and_export_judge_alike(tmp_path, scores, is_significant, reason):
    sweep = write_confirmation(
        write_search(tmp_path, 400.0, 100.0), scores | {"tiny-0000": scores.get("tiny-0000", [400.0, 410.0])}
    )
    gain, judged = sweep.summary()["confirmation"]["gain"], sweep.judge(sweep.confirmed().winner)
    assert (gain["is_significant"], gain["reason"]) == (judged.is_significant, judged.reason)
    assert gain["is_significant"] is is_significant
    assert re.fullmatch(reason, gain["reason"])
    assert gain_sentence(sweep, sweep.confirmed(), sweep.confirmed().winner).endswith(judged.reason)
    assert judged.reason in verdict(sweep) or sweep.confirmed().winner == "tiny-0000"


def test_an_unfinished_confirmation_is_not_significant_in_json(tmp_path):
    scores = {"tiny-0001": [100.0, 105.0], "tiny-0000": [400.0, Status.INTERRUPTED]}
    sweep = write_confirmation(write_search(tmp_path, 400.0, 100.0), scores, Status.INTERRUPTED)
    assert sweep.summary()["confirmation"]["gain"]["is_significant"] is None


def test_the_first_finalist_of_an_unfinished_confirmation_is_no_winner_yet(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0)
    scores = {"tiny-0001": [120.0], "tiny-0000": [420.0, 400.0]}
    sweep = write_confirmation(folder, scores, status=Status.INTERRUPTED)
    frame = sweep.rank(stage="confirm").set_index("trial_id")
    assert frame["verdict"].to_dict()["tiny-0001"] == "leads so far"
    assert sweep.scale().mean_name == "estimated geometric mean"
