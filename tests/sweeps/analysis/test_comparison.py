"""Verdicts on simulated sweeps: how often they err, and what they find."""

from dataclasses import replace

import numpy as np
import pytest

from sweeps.analysis.comparison import Scores, compare, gain, race
from sweeps.analysis.evidence import Evidence, Kind, Setting, read
from sweeps.analysis.seed_noise import Prior
from sweeps.analysis.statistics import Scale

FID, KID = Scale("fid", less_is_better=True), Scale("kid", less_is_better=True)
DIGITS = Setting("mnist-5k", read()["extractor"])
ELSEWHERE = Setting("folder:images", "sha256:0")
RECORDED = Evidence.on(FID, DIGITS)
EQUAL = Prior(np.log(0.22), 0.5, 0.03, 1.5)
LOOKS = tuple(range(3, 11))


def scores(values, diverged=None, ended=None):
    values = np.array(values, dtype=float)
    diverged = np.zeros(values.shape, dtype=bool) if diverged is None else np.array(diverged)
    return Scores(values, diverged, ~np.isnan(values) | diverged if ended is None else np.array(ended))


def sweeps(n, means, n_seeds, prior=EQUAL):
    drawn = prior.draw(np.broadcast_to(np.array(means), (n, len(means))), n_seeds, np.random.default_rng(0))
    return [scores(values) for values in drawn]


@pytest.mark.parametrize(
    "other", [{"extractor": "sha256:0"}, {"dataset": "fashion-mnist"}, {"loop": "mine:train"}]
)
def test_replicas_are_evidence_for_their_own_metric_images_extractor_and_loop(other):
    assert RECORDED.kind is Kind.RECORDED
    elsewhere = Evidence.on(FID, replace(DIGITS, **other))
    assert elsewhere.kind is Kind.ELSEWHERE
    assert elsewhere.base.omega > RECORDED.base.omega
    assert elsewhere.distance_of_two_seeds(np.empty((0, 0)), {160}) is None
    assert Evidence.on(KID, DIGITS).kind is Kind.OWN


@pytest.mark.parametrize("evidence", [RECORDED, Evidence.on(FID, ELSEWHERE), Evidence.on(KID, ELSEWHERE)])
def test_equal_configurations_are_seldom_called_different(evidence):
    found = [compare(each, evidence) for each in sweeps(150, [0.0, 0.0, 0.0], 3)]
    assert np.mean([each.is_worse.any() for each in found]) <= 0.1


def test_a_gain_of_3_5_times_is_found_at_three_seeds():
    found = [gain(each, 0, 1, RECORDED, ()) for each in sweeps(100, [0.0, np.log(3.5)], 3)]
    assert np.mean([each.is_significant for each in found]) > 0.93


def test_the_limits_shrink_with_configurations_and_looks():
    assert RECORDED.worse(2, 3, 3) > RECORDED.worse(5, 3, 3) > RECORDED.worse(40, 3, 3)
    assert RECORDED.worse(3, 3, 3) > RECORDED.worse(3, 3, 10) > RECORDED.worse(3, 3, 100)
    assert RECORDED.planned(2, 3, 3) <= 0.025


def test_without_two_scores_of_a_configuration_another_metric_has_no_verdict():
    compared = compare(scores([[0.1], [9.0]]), Evidence.on(KID, ELSEWHERE))
    assert compared.winner == 0
    assert not compared.is_worse.any()
    assert gain(scores([[0.1], [9.0]]), 0, 1, Evidence.on(KID, ELSEWHERE), ()) is None


def test_a_killed_worker_decides_nothing():
    values = np.log([[99.0, 101.0, 103.0], [80.0, 81.0, np.nan]])
    crashed = scores(values, ended=[[True] * 3] * 2)
    assert compare(crashed, RECORDED).winner == 1
    assert crashed.can_win.all()


def test_one_divergence_in_three_is_no_law_but_two_are():
    values = np.log([[99.0, 101.0, 103.0], [40.0, 41.0, np.nan]])
    assert compare(scores(values, np.isnan(values)), RECORDED).winner == 1
    values[1, 1] = np.nan
    assert compare(scores(values, np.isnan(values)), RECORDED).winner == 0


def test_a_race_stops_where_more_seeds_would_hardly_separate():
    close = scores(np.log([[100.0, 100.5, 99.5], [100.0, 101.0, 99.0]]))
    ended = race(close, RECORDED, LOOKS)
    assert (ended.n_seeds, ended.is_futile, ended.is_resolved) == (3, True, True)
    assert ended.is_in.all()


def test_a_race_waits_for_the_seeds_of_those_that_are_left():
    values = np.log([[100.0, 120.0, 90.0], [140.0, 150.0, 120.0], [900.0, 950.0, 920.0]])
    so_far = race(scores(values), RECORDED, LOOKS)
    assert so_far.is_in.tolist() == [True, True, False]
    assert not so_far.is_resolved
    more = np.column_stack([values, np.full((3, 7), np.nan)])
    assert race(scores(more), RECORDED, LOOKS).n_seeds == 3


def test_a_race_of_equal_configurations_seldom_rejects_and_seldom_uses_all_seeds():
    found = [race(each, RECORDED, LOOKS) for each in sweeps(60, [0.0, 0.0, 0.0], 10)]
    assert np.mean([not each.is_in.all() for each in found]) <= 0.12
    assert np.mean([each.n_seeds for each in found]) < 7


def test_the_chance_of_more_seeds_grows_with_them():
    compared = compare(scores(np.log([[100.0, 110.0, 90.0], [150.0, 160.0, 130.0]])), RECORDED)
    chances = [compared.chance(1, more) for more in (0, 1, 3, 10)]
    assert chances == sorted(chances)
    assert 0 == chances[0] < chances[1] < chances[3] <= 1
