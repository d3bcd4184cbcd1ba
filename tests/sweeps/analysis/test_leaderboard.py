"""Gains over the defaults, by ratio and by difference."""

import pytest

import sweeps
from sweeps.analysis.verdict import verdict
from sweeps.cli.printing import print_leaderboard
from tests.sweeps.ledgers import write_confirmation, write_search, write_sweep

KID = {"metric": [{"name": "kid", "goal": "minimize"}]}


@pytest.fixture
def sweep(tmp_path):
    """A sweep by kid: 0.04 for the defaults, -0.01 for the other trial."""
    write_search(tmp_path, 0.4, -0.1, spec=KID)
    return sweeps.load("tiny", tmp_path)


def test_a_gain_in_kid_is_a_difference(sweep, capsys):
    board = sweep.rank()
    assert board["kid"].tolist() == pytest.approx([-0.01, 0.04])
    assert board["gain"].tolist() == pytest.approx([0.05, 0.0])
    assert "a kid of -0.01 (1,000 samples), 0.05 lower than the 0.04 of the defaults" in verdict(sweep)
    print_leaderboard(sweep, board, None, None, None, "gan-sweep rank tiny")
    assert "+0.05" in capsys.readouterr().out.splitlines()[2]


def test_the_defaults_have_no_negative_gain_over_themselves(tmp_path):
    write_sweep(tmp_path, metrics=("recall",))
    board = sweeps.load("tiny", tmp_path).rank()
    assert f"{board['gain'][board['is_baseline']].item():+g}" == "+0"


def test_a_gain_in_kid_over_fresh_seeds_is_a_difference(sweep):
    scores = {"tiny-0001": [0.01, 0.03], "tiny-0000": [-0.05, -0.03]}
    confirmed = write_confirmation(sweep.folder, scores).summary()["confirmation"]
    assert [row["mean"] for row in confirmed["finalists"]] == pytest.approx([-0.02, 0.04], rel=0.01)
    assert [row["gain"] for row in confirmed["finalists"]] == pytest.approx([0.06, 0.0], rel=0.01)


def test_a_gain_in_fid_is_a_ratio(tmp_path, capsys):
    write_search(tmp_path, 399.0, 99.0)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.rank()["gain"].tolist() == [4.0, 1.0]
    print_leaderboard(sweep, sweep.rank(), None, None, None, "gan-sweep rank tiny")
    assert "4x" in capsys.readouterr().out.splitlines()[2]
