import re

import numpy as np
import pytest

import sweeps
from sweeps.analysis.evidence import Evidence, Setting, read
from sweeps.analysis.seed_noise import chance_below, posterior
from sweeps.analysis.statistics import Scale
from sweeps.analysis.verdict import by_one_seed, verdict
from sweeps.cli.printing import print_leaderboard
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_confirmation, write_search, write_sweep


def test_one_seed_gives_the_best_trial_the_floor_and_the_gain_but_no_significance(tmp_path):
    write_sweep(tmp_path)
    assert verdict(sweeps.load("tiny", tmp_path)) == (
        "tiny-0008 is the best of 10 trials by one training each, with a fid of 6.79 (5,000 samples), 81.0"
        " times lower than the 550 of the defaults; real images score 7.1; whether that gain is"
        " significant is unknown, because each configuration was trained on one seed only."
    )


def test_a_gain_in_recall_is_a_difference(tmp_path):
    write_sweep(tmp_path, metrics=("recall", "fid"), statuses=[Status.PRUNED] * 4)
    assert ", 0.03 higher than the 0.12 of" in verdict(sweeps.load("tiny", tmp_path))


@pytest.mark.parametrize(
    ("statuses", "status", "expected"),
    [
        ([], Status.INTERRUPTED, "No trial has started."),
        ([], Status.RUNNING, "So far, no trial has started."),
        (
            [Status.CRASHED, Status.DIVERGED, Status.CRASHED],
            Status.COMPLETED,
            "No trial has a score: 2 failed, 1 diverged.",
        ),
        ([Status.CRASHED], Status.RUNNING, "So far, no trial has a score: 1 failed."),
        (
            [Status.COMPLETED],
            Status.COMPLETED,
            "tiny-0000 is the best of 1 trial by one training each, with a fid of 550 (5,000 samples), and it"
            " is the defaults; real images score 7.1.",
        ),
    ],
)
def test_a_sweep_without_a_comparison_says_so(tmp_path, statuses, status, expected):
    write_sweep(tmp_path, statuses=statuses, status=status)
    assert verdict(sweeps.load("tiny", tmp_path)) == expected


def test_a_confirmation_gives_the_mean_its_interval_the_gain_and_the_ties(tmp_path):
    sweep = confirmed(
        tmp_path, best=[40.0, 42.0, 41.0], other=[39.0, 44.0, 43.0], defaults=[400.0, 420.0, 410.0]
    )
    score, between = r"[\d.,]+", r" \(95\u00a0%: [\d.,]+ to [\d.,]+\)"
    assert re.fullmatch(
        "Of 3 configurations trained again on fresh seeds, tiny-0008 comes first, with an estimated mean fid"
        f" of {score}{between} over 3 seeds, 10.0 times lower{between} than the {score}{between} of the"
        " defaults; that gain is significant, because the probability that the defaults are as"
        " good is below 0.01 %; tiny-0008 is not significantly better than tiny-0006; real images score 7.1.",
        verdict(sweep),
    )


@pytest.mark.parametrize(
    ("defaults", "status", "expected"),
    [
        (
            [42.0, 60.0],
            Status.COMPLETED,
            "; that gain is not significant, because the probability that the defaults are as good is",
        ),
        (
            [Status.DIVERGED] * 2,
            Status.COMPLETED,
            "over 2 seeds; its gain over the defaults is significant, because the defaults diverged on every"
            " fresh seed (2 diverged); real images score 7.1.",
        ),
        (
            [30.0, 31.0],
            Status.COMPLETED,
            "over 2 seeds, and it is the defaults; tiny-0000 is not significantly better",
        ),
        (
            [200.0, Status.INTERRUPTED],
            Status.INTERRUPTED,
            "So far, of 2 configurations trained again on fresh seeds, tiny-0008 comes first",
        ),
    ],
)
def test_fresh_seeds_judge_the_gain_over_the_defaults(tmp_path, defaults, status, expected):
    assert expected in verdict(confirmed(tmp_path, status, best=[40.0, 41.0], defaults=defaults))


def test_a_confirmation_in_which_all_failed_gives_the_result_of_the_search(tmp_path):
    failed = [Status.CRASHED] * 2
    sentence = verdict(confirmed(tmp_path, best=failed, defaults=failed))
    assert sentence.startswith("tiny-0008 is the best of 10 trials by one training each, with a fid of 6.79")
    assert sentence.endswith("; on fresh seeds no configuration has a score.")


def confirmed(results, status=Status.COMPLETED, *, best, defaults, other=None):
    scores = {"tiny-0008": best, "tiny-0006": other, "tiny-0000": defaults}
    return write_confirmation(
        write_sweep(results), {trial_id: row for trial_id, row in scores.items() if row}, status
    )


SEEDS = {
    "tiny-0001": [100.0, 110.0, 105.0],
    "tiny-0002": [140.0, 150.0, 146.0],
    "tiny-0000": [820.0, 800.0, 810.0],
}


@pytest.mark.parametrize(
    ("trial_id", "scores", "expected"),
    [
        (
            "tiny-0001",
            {},
            "is significant, because the probability that the defaults are as good is below 0.01 %",
        ),
        (
            "tiny-0002",
            {},
            "is significant, because the probability that the defaults are as good is below 0.01 %",
        ),
        (
            "tiny-0003",
            {},
            "is significant, because in .* the best of 5 trials that equal the defaults scores so well",
        ),
        (
            "tiny-0004",
            {},
            "is significant is unknown, because the trial was trained once, and in .* scores so well",
        ),
        ("tiny-0000", {}, "is not significant, because the trial has the default configuration"),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, 300.0, 120.0]},
            "is not significant, because the probability that the defaults are as good is .*, and .* would"
            " be significant",
        ),
        (
            "tiny-0002",
            {"tiny-0000": [90.0, 130.0, 120.0]},
            "is not significant, because the defaults do at least as well on fresh seeds",
        ),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, Status.DIVERGED, 80.0]},
            "is not significant, because the defaults do at least as well on fresh seeds",
        ),
        (
            "tiny-0002",
            {"tiny-0002": [150.0, Status.DIVERGED, Status.DIVERGED]},
            "is not significant, because the trial's configuration diverged on most of the fresh seeds",
        ),
        (
            "tiny-0003",
            {name: [Status.DIVERGED] * 3 for name in SEEDS},
            "is significant is unknown, because the noise of seeds cannot be estimated",
        ),
    ],
)
def test_a_confirmation_judges_a_gain(tmp_path, trial_id, scores, expected):
    folder = write_search(tmp_path, 800.0, 100.0, 110.0, 104.0, 790.0)
    judged = write_confirmation(folder, SEEDS | scores).judge(trial_id).sentence("it")
    assert re.search(f"{expected}$", judged)


def test_the_best_of_200_trials_that_equal_the_defaults_is_not_called_better(tmp_path):
    """The best of 200 equal trials is the luckiest: it was called better in half of all sweeps."""
    scores = np.exp(np.random.default_rng(0).normal(np.log(400), 0.25, 206))
    folder = write_search(tmp_path, 400.0, float(scores[:200].min()), *scores[:198])
    seeds = {"tiny-0000": scores[200:203].tolist(), "tiny-0002": scores[203:].tolist()}
    assert write_confirmation(folder, seeds).judge("tiny-0001").is_significant is None


def test_the_best_of_equal_trials_is_called_better_in_few_sweeps():
    """It was called better in 19 % (16 trials), 32 % (50) and 49 % (200) of sweeps."""
    rng, evidence = (
        np.random.default_rng(0),
        Evidence.on(Scale("fid", less_is_better=True), Setting(None, None)),
    )
    for n_trials in (16, 50, 200):
        luck = []
        for _ in range(60):
            drawn = rng.normal(0.0, 0.25, n_trials + 3)
            known = posterior(drawn[None, -3:], evidence.base)
            luck.append(chance_below(known, evidence.base, drawn[:n_trials].min(), n_trials)[0])
        assert np.mean(np.array(luck) < 0.05) <= 0.07


def test_recorded_replicas_say_by_how_much_a_second_seed_moves_a_score_of_as_many_steps(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, steps=1600)
    longer = write_search(tmp_path / "b", 400.0, 100.0, steps=1601, facts={"extractor": read()["extractor"]})
    assert "second seed" not in verdict(sweeps.load("tiny", longer.parent))
    ledger = Ledger(folder, sweeps.load("tiny", tmp_path).facts["spec"])
    ledger.describe({"extractor": read()["extractor"]})
    ledger.close(Status.COMPLETED)
    assert re.search(r"; a second seed moves a score by about \d+ %", verdict(sweeps.load("tiny", tmp_path)))


def test_the_verdict_of_a_search_names_its_one_training_per_trial(tmp_path, capsys):
    folder = write_search(tmp_path, 400.0, 100.0, steps=160, facts={"extractor": read()["extractor"]})
    sweep = sweeps.load("tiny", tmp_path)
    said = r"tiny-0001 is the best of 2 scored trials by one training each; a second seed moves .* \d+ %"
    assert re.fullmatch(said, by_one_seed(sweep))
    print_leaderboard(sweep, sweep.rank(), None, None, None, "gan-sweep rank tiny")
    assert re.search(r"; a second seed moves a score by about \d+ %\n", capsys.readouterr().out)
    elsewhere = sweeps.load("other", write_search(tmp_path, 400.0, 100.0, name="other").parent)
    assert by_one_seed(elsewhere) == "other-0001 is the best of 2 scored trials by one training each"
    assert (
        by_one_seed(write_confirmation(folder, {"tiny-0001": [100.0] * 2, "tiny-0000": [400.0] * 2})) is None
    )
    alone = sweeps.load("alone", write_search(tmp_path, 400.0, name="alone").parent)
    assert by_one_seed(alone) is None


def test_elsewhere_the_confirmation_says_by_how_much_a_second_seed_moves_a_score(tmp_path):
    sweep = sweeps.load("tiny", write_search(tmp_path, 400.0, 100.0).parent)
    assert "second seed" not in verdict(sweep)
    assert sweep.noise() is None
    sweep = write_confirmation(sweep.folder, {"tiny-0001": [100.0, 110.0], "tiny-0000": [400.0, 410.0]})
    assert 0.02 < sweep.noise() < 0.1


def test_an_unfinished_confirmation_judges_nothing(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    judged = write_confirmation(folder, SEEDS, Status.INTERRUPTED).judge("tiny-0001")
    assert judged.is_significant is None
    assert judged.sentence("it") == (
        "whether it is significant is unknown, because the confirmation is not finished"
    )
