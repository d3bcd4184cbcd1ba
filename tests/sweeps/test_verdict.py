import pytest

import sweeps
from sweeps.status import Status
from sweeps.verdict import Estimate, noise, verdict
from tests.sweeps.ledgers import write_sweep


def test_it_names_the_best_its_score_the_floor_and_the_gain_and_that_one_training_cannot_tell(tmp_path):
    write_sweep(tmp_path)
    assert verdict(sweeps.load("tiny", tmp_path)) == (
        "tiny-0008 is the best of 10 trials, with a fid of 6.79 (5,000 samples), 81.0 times lower than the"
        " 550 of the tutorial's defaults; real images have 7.1; whether that gain is beyond the noise cannot"
        " be told, as each configuration was trained once and by how much two seeds differ is unknown."
    )


def test_more_may_be_better(tmp_path):
    write_sweep(tmp_path, metrics=("recall", "fid"), statuses=[Status.PRUNED] * 4)
    assert "1.2 times higher than the 0.12 of" in verdict(sweeps.load("tiny", tmp_path))


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
            " defaults; real images have 7.1.",
        ),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_so(tmp_path, statuses, status, expected):
    write_sweep(tmp_path, statuses=statuses, status=status)
    assert verdict(sweeps.load("tiny", tmp_path)) == expected


@pytest.mark.parametrize(
    ("best", "defaults", "expected"),
    [
        (Estimate(20, (18, 22)), Estimate(90, (80, 99)), "beyond the noise"),
        (Estimate(0.9, (0.8, 1.0)), Estimate(0.2, (0.1, 0.3)), "beyond the noise"),
        (Estimate(20, (10, 40)), Estimate(45, (35, 60)), "may be noise"),
        (Estimate(20, (10, 40)), Estimate(90), "cannot be told"),
    ],
)
def test_a_gain_is_beyond_the_noise_where_intervals_are_apart(best, defaults, expected):
    assert expected in noise(best, defaults)


def test_an_interval_is_shown_where_there_is_one():
    assert [str(Estimate(1234.4)), str(Estimate(20.25, (18, 22)))] == ["1,234", "20.25 (18 to 22)"]
