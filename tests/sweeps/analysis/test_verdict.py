import pytest

import sweeps
from sweeps.analysis.verdict import judge, verdict
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_confirmation, write_search, write_sweep


def test_one_seed_gives_the_best_trial_the_floor_and_the_gain_but_no_significance(tmp_path):
    write_sweep(tmp_path)
    assert verdict(sweeps.load("tiny", tmp_path)) == (
        "tiny-0008 is the best of 10 trials, with a fid of 6.79 (5,000 samples), 81.0 times lower than the"
        " 550 of the tutorial's defaults; real images score 7.1; whether that gain is significant is unknown,"
        " because each configuration was trained on one seed only."
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
            "tiny-0000 is the best of 1 trial, with a fid of 550 (5,000 samples), and it is the tutorial's"
            " defaults; real images score 7.1.",
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
    assert verdict(sweep) == (
        "Of 3 configurations trained again on fresh seeds, tiny-0008 comes first, with a mean fid of 40.99"
        " (95\u00a0%: 38.58 to 43.55) over 3 seeds, 10.0 times lower than the 409.9 (95\u00a0%: 385.8 to"
        " 435.5) of the tutorial's defaults; that gain is significant, because the defaults are worse on the"
        " same fresh seeds; tiny-0008 is not significantly better than tiny-0006; real images score 7.1."
    )


@pytest.mark.parametrize(
    ("defaults", "status", "expected"),
    [
        (
            [42.0, 60.0],
            Status.COMPLETED,
            "; that gain is not significant, because the fresh seeds do not separate it from the defaults",
        ),
        (
            [Status.DIVERGED, 200.0],
            Status.COMPLETED,
            "over 2 seeds; its gain over the defaults is significant, because the defaults failed"
            " more often on the same fresh seeds (1 diverged); real images score 7.1.",
        ),
        (
            [Status.DIVERGED] * 2,
            Status.COMPLETED,
            "over 2 seeds; its gain over the defaults is significant, because the defaults failed"
            " more often on the same fresh seeds (2 diverged); real images score 7.1.",
        ),
        (
            [30.0, 31.0],
            Status.COMPLETED,
            "over 2 seeds, and it is the tutorial's defaults; real images score 7.1",
        ),
        (
            [200.0, Status.INTERRUPTED],
            Status.INTERRUPTED,
            "So far, of 2 configurations trained again on fresh seeds, tiny-0008 comes first",
        ),
    ],
)
def test_paired_differences_judge_the_gain_over_the_defaults(tmp_path, defaults, status, expected):
    assert expected in verdict(confirmed(tmp_path, status, best=[40.0, 41.0], defaults=defaults))


def test_a_confirmation_in_which_all_failed_gives_the_result_of_the_search(tmp_path):
    failed = [Status.CRASHED] * 2
    sentence = verdict(confirmed(tmp_path, best=failed, defaults=failed))
    assert sentence.startswith("tiny-0008 is the best of 10 trials, with a fid of 6.79")
    assert sentence.endswith("; on fresh seeds no configuration has a score.")


def confirmed(results, status=Status.COMPLETED, *, best, defaults, other=None):
    scores = {"tiny-0008": best, "tiny-0006": other, "tiny-0000": defaults}
    return write_confirmation(
        write_sweep(results), {trial_id: row for trial_id, row in scores.items() if row}, status
    )


SEEDS = {
    "tiny-0001": [100.0, 110.0, 105.0],
    "tiny-0002": [140.0, 150.0, 146.0],
    "tiny-0000": [420.0, 400.0, 410.0],
}


@pytest.mark.parametrize(
    ("trial_id", "scores", "expected"),
    [
        ("tiny-0001", {}, "is significant, because the defaults are worse on the same fresh seeds"),
        ("tiny-0002", {}, "is significant, because the defaults are worse on the same fresh seeds"),
        ("tiny-0003", {}, "is significant, because two seeds of one configuration differ by less"),
        ("tiny-0004", {}, "is not significant, because two seeds of one configuration differ by as much"),
        ("tiny-0000", {}, "is not significant, because the trial has the tutorial's default configuration"),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, 300.0, 120.0]},
            "is not significant, because the fresh seeds do not separate it from the defaults",
        ),
        (
            "tiny-0002",
            {"tiny-0000": [90.0, 130.0, 120.0]},
            "is not significant, because the defaults do at least as well on the same fresh seeds",
        ),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, Status.DIVERGED, 80.0]},
            "is significant, because the defaults failed more often on the same fresh seeds",
        ),
        (
            "tiny-0002",
            {"tiny-0002": [Status.CRASHED, 150.0, 146.0]},
            "is not significant, because the defaults do at least as well on the same fresh seeds",
        ),
        (
            "tiny-0003",
            {name: [Status.DIVERGED] * 3 for name in SEEDS},
            "is significant is unknown, because no configuration has a score on two fresh seeds",
        ),
    ],
)
def test_a_confirmation_judges_a_gain(tmp_path, trial_id, scores, expected):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0, 104.0, 390.0)
    assert judge(write_confirmation(folder, SEEDS | scores), trial_id).sentence("it").endswith(expected)


def test_an_unfinished_confirmation_judges_nothing(tmp_path):
    folder = write_search(tmp_path, 400.0, 100.0, 110.0)
    judged = judge(write_confirmation(folder, SEEDS, Status.INTERRUPTED), "tiny-0001")
    assert judged.is_significant is None
    assert judged.sentence("it") == (
        "whether it is significant is unknown, because the confirmation is not finished"
    )
