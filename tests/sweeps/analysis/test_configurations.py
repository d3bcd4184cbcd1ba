"""Configurations that the search trained on several seeds are compared by their means."""

import re
from types import SimpleNamespace

import pytest

import sweeps
from sweeps.analysis.configurations import Standings
from sweeps.analysis.evidence import Evidence, Setting, read
from sweeps.analysis.further_seeds import without_further_seeds
from sweeps.analysis.statistics import Scale
from sweeps.analysis.verdict import verdict
from sweeps.cli.printing import print_leaderboard, print_summary
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_confirmation, write_search, write_sweep

FIDS = (400.0, 90.0, 105.0, 300.0, 350.0)
FURTHER = ((1, 190.0), (2, 108.0), (2, 104.0), (1, 200.0), (3, None))


@pytest.fixture
def sweep(tmp_path):
    """A sweep in which the best score is lucky: 90 by trial 1, then 190 and 200 by further seeds."""
    write_search(tmp_path, *FIDS, further=FURTHER)
    return sweeps.load("tiny", tmp_path)


def short(names):
    return [None if name is None else name[-1] for name in names.astype(object).where(names.notna(), None)]


def test_the_leaderboard_names_the_best_by_means_and_shows_further_seeds_beside_it(sweep, capsys):
    board = sweep.rank()
    assert short(board["trial_id"])[:3] == ["2", "7", "6"]
    assert board["rank"].tolist()[:6] == [1, 1, 1, 2, 2, 2]
    assert short(board["of"])[:6] == [None, "2", "2", None, "1", "1"]
    assert board["seeds_in_search"].tolist()[:6] == [3, 3, 3, 3, 3, 3]
    assert board["mean_in_search"][0] == pytest.approx(106.7, rel=0.05)
    failed = board.iloc[-1]
    assert (failed["status"], failed["of"][-1], bool(board["rank"].isna().iloc[-1])) == (
        "diverged",
        "3",
        True,
    )
    print_leaderboard(sweep, board, None, None, None, "gan-sweep rank tiny")
    assert ["1", "tiny-0007", "tiny-0002"] in [
        line.split()[:3] for line in capsys.readouterr().out.splitlines()
    ]


def test_a_sweep_without_further_seeds_has_no_columns_of_them(tmp_path):
    write_search(tmp_path, *FIDS)
    board = sweeps.load("tiny", tmp_path).rank()
    assert not {"of", "mean_in_search", "seeds_in_search"} & {*board}
    assert board["rank"].tolist() == [1, 2, 3, 4, 5]


def test_several_sweeps_are_ranked_by_means_too(sweep, tmp_path):
    write_search(tmp_path, 400.0, 120.0, 80.0, name="other")
    board = sweeps.load(["tiny", "other"], tmp_path).rank()
    assert board["trial_id"].tolist()[:5] == [
        "other-0002",
        "tiny-0002",
        "tiny-0007",
        "tiny-0006",
        "other-0001",
    ]
    assert board["rank"].tolist()[:5] == [1, 2, 2, 2, 3]


def test_the_summary_and_the_verdict_name_the_best_by_means(sweep):
    best = sweep.summary()["best"]
    assert (best["trial_id"], best["seeds_in_search"]) == ("tiny-0002", 3)
    sentence = verdict(sweep)
    assert "tiny-0002 is the best of 5 configurations by its estimated mean fid of" in sentence
    assert "(3 seeds, 1,000 samples)" in sentence
    assert "no configuration was trained on fresh seeds" in sentence


def test_the_printed_summary_compares_estimated_means_and_calls_them_so(tmp_path, capsys):
    write_search(tmp_path, *FIDS, further=(*FURTHER, (0, 420.0)))
    print_summary(SimpleNamespace(sweep=sweeps.load("tiny", tmp_path)), tmp_path)
    printed = capsys.readouterr().out
    assert re.search(r"^best +fid 1\d\d(\.\d)? \(estimated mean, 3 seeds\)  tiny-0002", printed, re.MULTILINE)
    assert re.search(r"^defaults +fid [\d.]+ \(estimated mean, 2 seeds\)", printed, re.MULTILINE)


SPACE = {"parameters": {"lr": {"min": 0.01, "max": 0.09}}}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"trials": 5}, "no trial had been trained to its last step when the last trial began"),
        ({"trials": 3}, "a quarter of 3 trials is less than one"),
        ({"trials": 5, "constraints": ["kid <= 1"]}, "no trial that was trained to its last step meets"),
        (
            SPACE | {"trials": 5, "points": [{"lr": 0.01 * number} for number in range(1, 5)]},
            "the points to try first leave no trial for it",
        ),
    ],
)
def test_a_search_that_could_train_no_further_seed_says_why(tmp_path, capsys, spec, reason):
    write_search(tmp_path, *FIDS, spec=spec | {"early_terminate": {"seeds": 3}})
    print_summary(SimpleNamespace(sweep=sweeps.load("tiny", tmp_path)), tmp_path)
    assert f"no configuration was trained on a further seed: {reason}" in capsys.readouterr().out


def test_a_search_without_a_whole_training_says_so(tmp_path):
    folder = write_sweep(tmp_path, statuses=[Status.PRUNED, Status.DIVERGED])
    ledger = Ledger(folder, {})
    ledger.describe({"spec": sweeps.load("tiny", tmp_path).facts["spec"] | {"early_terminate": {"seeds": 2}}})
    ledger.close(Status.COMPLETED)
    assert without_further_seeds(sweeps.load("tiny", tmp_path)) == (
        "no configuration was trained on a further seed: no trial was trained to its last step"
    )


def test_finalists_are_the_best_by_means_each_once(sweep):
    assert [row["trial_id"][-1] for row in sweep.finalists(2)] == ["2", "1", "0"]


def test_further_seeds_tie_as_their_configuration_does(sweep):
    scores = {
        "tiny-0002": [100.0, 105.0, 102.0],
        "tiny-0001": [190.0, 210.0, 180.0],
        "tiny-0000": [400.0] * 3,
    }
    confirmed = write_confirmation(sweep.folder, scores)
    assert confirmed.confirmed().winner == "tiny-0002"
    ties = confirmed.rank().set_index("trial_id")["tie"]
    assert bool(ties["tiny-0007"])
    assert not ties["tiny-0005"]


def test_statistics_of_trials_leave_further_seeds_out(sweep):
    assert sweep.best_of_k()["trials"].tolist() == [1, 2, 3, 4, 5]


def test_a_further_seed_is_judged_as_its_configuration(sweep):
    scores = {"tiny-0002": [100.0, 105.0, 102.0], "tiny-0000": [400.0, 410.0, 390.0]}
    confirmed = write_confirmation(sweep.folder, scores)
    assert confirmed.judge("tiny-0007") == confirmed.judge("tiny-0002")
    assert confirmed.judge("tiny-0002-seed1") == confirmed.judge("tiny-0002")
    assert confirmed.judge("tiny-0007").is_significant


def test_trials_have_a_column_with_the_configuration_that_they_repeat(sweep):
    assert short(sweep.trials["of"]) == [None] * 5 + ["1", "2", "2", "1", "3"]


def test_a_configuration_that_diverged_on_most_seeds_comes_last():
    scale = Scale("fid", less_is_better=True)
    found = Standings(scale)
    for name, trial, score in (("a", "a", 50.0), ("b", "b", 90.0), ("a", "c", None), ("a", "d", None)):
        found.add(name, trial, score, has_diverged=score is None)
    estimates = found.estimates(Evidence.on(scale, Setting("mnist-5k", read()["extractor"])))
    assert [estimates.names[index] for index in estimates.order] == ["b", "a"]


def test_many_configurations_are_estimated_in_parts():
    scale = Scale("fid", less_is_better=True)
    found = Standings(scale)
    for number in range(1200):
        found.add(f"{number:04d}", f"{number:04d}", 100.0 + number, has_diverged=False)
    estimates = found.estimates(Evidence.on(scale, Setting("mnist-5k", read()["extractor"])))
    assert estimates.order == list(range(1200))
    few = found.estimates(Evidence.on(scale, Setting("mnist-5k", read()["extractor"])), most=64)
    assert few.names == [f"{number:04d}" for number in range(64)]
