"""Which confirmation is the result of a sweep, from records that the tests write."""

import pytest
from typer.testing import CliRunner

import sweeps
from sweeps.analysis.verdict import verdict
from sweeps.cli.app import app
from sweeps.generators.kept import best_trial
from sweeps.record.status import Status
from sweeps.report.tables import confirmation_table
from tests.sweeps.ledgers import write_confirmation, write_generator, write_search

FIDS = (400.0, 100.0, 110.0, 90.0, 120.0)
"""By the search, the trial 3 is the best."""

FINISHED = {
    "tiny-0003": [150.0, 160.0, 155.0],
    "tiny-0001": [100.0, 101.0, 99.0],
    "tiny-0000": [400.0, 410.0, 405.0],
}
CUT = {"tiny-0002": [20.0], "tiny-0004": [130.0]}
"""What a larger confirmation had trained when it was stopped: one lucky seed, and one of another trial."""


def cut(results, more=CUT, **settings):
    """Write a finished confirmation of three configurations, and a larger one that was stopped."""
    folder = write_search(results, *FIDS)
    before = write_confirmation(folder, FINISHED)
    known = dict.fromkeys(FINISHED, ())
    after = write_confirmation(folder, known | more, Status.INTERRUPTED, **{"seeds": 3} | settings)
    return before, after


def winners(sweep):
    """Return the best configuration by each view of a sweep, without repetition."""
    ranked = sweep.rank(stage="confirm")
    ties = sweep.rank().set_index("trial_id")
    tied = ties[ties["tie"].fillna(value=False).astype(bool)]
    listed = sweeps.list_sweeps(sweep.folder.parent).iloc[0]
    page = confirmation_table(sweep)
    return {
        sweep.confirmed().winner,
        sweep.summary()["confirmation"]["winner"],
        ranked["trial_id"].iloc[0],
        tied["mean"].idxmin(),
        listed["confirmed"],
        page.rows[0]["trial"],
        best_trial(sweep),
        next(name for name in FINISHED if f", {name} comes first" in verdict(sweep)),
    }


def test_a_cut_confirmation_leaves_the_finished_result_in_every_view(tmp_path):
    before, after = cut(tmp_path)
    for name in FINISHED:
        write_generator(after.folder, name)
    assert winners(before) == winners(after) == {"tiny-0001"}
    assert after.rank(stage="confirm")["verdict"].tolist() == ["winner", "worse", "worse"]
    assert after.judge("tiny-0001").is_significant
    assert after.judge("tiny-0002").reason == "the confirmation is not finished"
    assert after.confirmed().conclusion() == (
        "tiny-0001 is significantly better than every other finalist (3 seeds, 95 %); a further confirmation"
        " is not finished: gan-sweep resume continues it"
    )
    assert after.summary()["confirmation"]["status"] == "interrupted"


@pytest.mark.parametrize("settings", [{"seeds": 5}, {"seeds": 3, "until_resolved": True}])
def test_a_confirmation_that_is_stopped_before_its_first_seed_changes_no_verdict(tmp_path, settings):
    before, after = cut(tmp_path, {}, **settings)
    assert after.rank(stage="confirm").equals(before.rank(stage="confirm"))
    assert after.judge("tiny-0001") == before.judge("tiny-0001")
    assert after.confirmed().conclusion().startswith(before.confirmed().conclusion())
    assert after.confirmed().comparison.limit == before.confirmed().comparison.limit


def test_seeds_of_a_cut_confirmation_count_for_the_finalists_of_the_finished_one(tmp_path):
    more = {"tiny-0001": [*FINISHED["tiny-0001"], 400.0], "tiny-0002": [20.0]}
    _, after = cut(tmp_path, more, seeds=5)
    assert after.rank(stage="confirm").set_index("trial_id")["seeds"].to_dict() == {
        "tiny-0001": 4,
        "tiny-0003": 3,
        "tiny-0000": 3,
    }
    assert after.confirmed().contest.all_looks == (3, 5)


def test_a_cut_confirmation_is_the_result_once_all_its_finalists_can_be_judged(tmp_path):
    more = {"tiny-0002": [50.0, 51.0, 49.0], "tiny-0004": [130.0, 131.0, 129.0]}
    _, after = cut(tmp_path, more, seeds=5)
    assert after.confirmed().winner == "tiny-0002"
    assert after.rank(stage="confirm")["verdict"].tolist() == ["winner", *["worse"] * 4]
    assert after.judge("tiny-0002").is_significant


def test_a_cut_race_is_the_result_once_its_first_look_can_be_taken(tmp_path):
    _, after = cut(tmp_path / "a", {"tiny-0002": [50.0, 51.0]}, until_resolved=True)
    assert (after.confirmed().winner, after.confirmed().contest.until_resolved) == ("tiny-0001", False)
    _, after = cut(tmp_path / "b", {"tiny-0002": [50.0, 51.0, 49.0]}, until_resolved=True)
    assert (after.confirmed().winner, after.confirmed().contest.until_resolved) == ("tiny-0002", True)


def test_a_finished_confirmation_replaces_the_one_before(tmp_path):
    folder = write_search(tmp_path, *FIDS)
    write_confirmation(folder, FINISHED)
    other = {"tiny-0004": [90.0, 95.0, 92.0], "tiny-0000": ()}
    assert list(write_confirmation(folder, other).rank(stage="confirm")["trial_id"]) == [
        "tiny-0004",
        "tiny-0000",
    ]


def test_a_finalist_that_is_not_trained_yet_may_tie(tmp_path):
    folder = write_search(tmp_path, *FIDS)
    sweep = write_confirmation(folder, {"tiny-0001": [100.0], "tiny-0002": ()}, Status.INTERRUPTED, seeds=2)
    assert sweep.rank().set_index("trial_id")["tie"].isna()["tiny-0002"]


@pytest.mark.parametrize("options", [["--top", "2", "--seeds", "2"], ["--top", "1", "--seeds", "3"]])
def test_a_confirmation_with_nothing_to_train_starts_no_ray_and_shows_the_result(
    tmp_path, monkeypatch, options
):
    folder = write_search(tmp_path, *FIDS, spec={"parameters": {"lr": {"min": 0.1, "max": 0.9}}})
    before = write_confirmation(folder, FINISHED)
    monkeypatch.setattr("sweeps.driver.runner.running_ray", None)
    done = CliRunner().invoke(app, ["confirm", "tiny", *options, "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "nothing was trained: every training of this confirmation had ended before" in done.stderr
    assert (
        "verdict   tiny-0001 is significantly better than every other finalist (3 seeds, 95 %)" in done.stdout
    )
    assert sweeps.load("tiny", tmp_path).facts["confirmation"] == before.facts["confirmation"]


def test_a_confirmation_of_what_a_cut_one_has_trained_is_recorded_without_training(tmp_path, monkeypatch):
    folder = write_search(tmp_path, *FIDS, spec={"parameters": {"lr": {"min": 0.1, "max": 0.9}}})
    scores = {
        name: FINISHED.get(name, [100.0]) for name in ("tiny-0003", "tiny-0001", "tiny-0004", "tiny-0000")
    }
    write_confirmation(folder, scores, Status.INTERRUPTED)
    monkeypatch.setattr("sweeps.driver.runner.running_ray", None)
    sweep = sweeps.confirm("tiny", top=2, seeds=3, results=tmp_path)
    assert sweep.rank(stage="confirm")["trial_id"].tolist() == ["tiny-0001", "tiny-0003", "tiny-0000"]
    assert sweep.confirmed().is_finished
    assert (folder / "report.html").exists()


def test_a_confirmation_that_was_compared_before_allows_for_that_in_its_race(tmp_path):
    folder = write_search(tmp_path, *FIDS)
    write_confirmation(folder, FINISHED)
    five = {name: [*scores, scores[0], scores[1]] for name, scores in FINISHED.items()}
    after = write_confirmation(folder, five, seeds=5, until_resolved=True).confirmed()
    alone = write_confirmation(write_search(tmp_path / "b", *FIDS), five, seeds=5, until_resolved=True)
    assert (after.contest.taken, after.contest.looks) == ((3,), tuple(range(5, 11)))
    assert after.comparison.limit < alone.confirmed().comparison.limit
    assert after.gain().limit < alone.confirmed().gain().limit
    assert after.conclusion().endswith(" (5 seeds, also compared at 3, 95 %)")
