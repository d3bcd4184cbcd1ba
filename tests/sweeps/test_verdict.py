import pytest

import sweeps
from sweeps.status import Status
from sweeps.verdict import judge, verdict
from tests.sweeps.ledgers import write_sweep
from tests.sweeps.test_replicas import confirmed, searched


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


SEEDS = {
    "tiny-0001": [100.0, 110.0, 105.0],
    "tiny-0002": [140.0, 150.0, 146.0],
    "tiny-0000": [420.0, 400.0, 410.0],
}


@pytest.mark.parametrize(
    ("trial_id", "scores", "expected"),
    [
        ("tiny-0001", {}, "is beyond the noise, as the defaults are worse on the same fresh seeds"),
        ("tiny-0002", {}, "is beyond the noise, as the defaults are worse on the same fresh seeds"),
        ("tiny-0003", {}, "is beyond the noise, as two seeds of one configuration differ by less"),
        ("tiny-0004", {}, "may be noise, as two seeds of one configuration differ by as much"),
        ("tiny-0000", {}, "may be noise, as it is itself the tutorial's defaults"),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, 300.0, 120.0]},
            "may be noise, as fresh seeds do not tell it from the defaults",
        ),
        (
            "tiny-0002",
            {"tiny-0000": [90.0, 130.0, 120.0]},
            "may be noise, as the defaults are no worse on fresh seeds",
        ),
        (
            "tiny-0001",
            {"tiny-0000": [90.0, Status.DIVERGED, 80.0]},
            "is beyond the noise, as the defaults failed more often on the same fresh seeds",
        ),
        (
            "tiny-0002",
            {"tiny-0002": [Status.CRASHED, 150.0, 146.0]},
            "may be noise, as the defaults are no worse on fresh seeds",
        ),
        (
            "tiny-0003",
            {name: [Status.DIVERGED] * 3 for name in SEEDS},
            "cannot be told, as no configuration has a score on two fresh seeds",
        ),
    ],
)
def test_a_confirmation_judges_a_gain(tmp_path, trial_id, scores, expected):
    folder = searched(tmp_path, 400.0, 100.0, 110.0, 104.0, 390.0)
    assert judge(confirmed(folder, SEEDS | scores), trial_id).of("it").endswith(expected)


def test_an_unfinished_confirmation_judges_nothing(tmp_path):
    folder = searched(tmp_path, 400.0, 100.0, 110.0)
    judged = judge(confirmed(folder, SEEDS, Status.INTERRUPTED), "tiny-0001")
    assert judged.is_beyond_noise is None
    assert judged.of("it") == (
        "whether it is beyond the noise cannot be told, as its confirmation is not finished"
    )


def test_the_verdict_goes_by_the_confirmation(tmp_path):
    folder = searched(tmp_path, 400.0, 100.0, 110.0)
    assert verdict(confirmed(folder, SEEDS)).endswith(
        "that gain is beyond the noise, as the defaults are worse on the same fresh seeds."
    )
