"""Intervals and comparisons, on simulated scores with a known truth."""

import numpy as np
import pytest

from sweeps.analysis.statistics import Scale, compare, interval, race

REPETITIONS = 2000
FID = Scale("fid", less_is_better=True)
SPREAD = 0.15
"""Of the logarithm of fid over seeds."""


def never(values):
    return np.zeros(values.shape, dtype=bool)


def normal(rng, shape):
    return rng.normal(100, 15, shape), 100.0


def log_normal(rng, shape):
    return 100 * np.exp(rng.normal(0, 0.5, shape)), 100.0


def heavy_tail(rng, shape):
    return 100 * np.exp(0.1 * rng.standard_t(3, shape)), 100.0


@pytest.mark.parametrize("n_seeds", [5, 10])
@pytest.mark.parametrize("shape", [normal, log_normal, heavy_tail])
def test_intervals_cover_the_truth(shape, n_seeds):
    scores, truth = shape(np.random.default_rng(1), (REPETITIONS, n_seeds))
    found = interval(FID.to_scale(scores))
    low, high = FID.from_scale(found.low), FID.from_scale(found.high)
    assert 0.93 <= ((low <= truth) & (truth <= high)).mean() <= 0.97


def test_an_interval_on_known_numbers():
    found = interval(np.array([[1.0, 2.0, 3.0, np.nan], [4.0, np.nan, np.nan, np.nan]]))
    assert found.mean.tolist() == [2.0, 4.0]
    assert found.high[0] - 2.0 == pytest.approx(4.302653 / np.sqrt(3))
    assert np.isnan(found.low[1])


def test_fid_is_compared_by_ratios_and_other_metrics_by_differences():
    assert FID.from_scale(interval(FID.to_scale(np.array([50.0, 200.0]))).mean) == pytest.approx(100)
    precision = Scale("precision", less_is_better=False)
    values = precision.to_scale(np.array([[0.5, 0.6], [0.7, 0.8]]))
    compared = compare(values, never(values))
    assert compared.winner == 1
    assert precision.from_scale(compared.differences.mean).tolist() == pytest.approx([-0.2, 0.0])


@pytest.mark.parametrize("n_configurations", [2, 4])
def test_equal_configurations_are_ties_at_the_nominal_rate(n_configurations):
    rng = np.random.default_rng(2)
    sets = rng.normal(5, SPREAD, (REPETITIONS, n_configurations, 5))
    separated = np.mean([not compare(values, never(values)).is_tied.all() for values in sets])
    assert 0.035 <= separated <= 0.065


def test_equal_means_with_unequal_spreads_are_separated_no_more_often():
    rng = np.random.default_rng(3)
    spreads = np.array([0.05, 0.1, 0.2, 0.4])[:, None]
    sets = rng.normal(5, spreads, (REPETITIONS, 4, 5))
    assert np.mean([not compare(values, never(values)).is_tied.all() for values in sets]) <= 0.065


def test_pairing_removes_the_effect_of_the_seed():
    rng = np.random.default_rng(4)
    of_the_seed = rng.normal(0, 1, 5)
    values = np.stack([of_the_seed, of_the_seed + 0.3]) + rng.normal(0, 0.01, (2, 5))
    assert compare(values, never(values)).is_tied.tolist() == [True, False]


def test_one_that_failed_more_often_does_not_win():
    values = np.array([[1.0, np.nan, 1.1], [2.0, 2.1, 1.9], [np.nan, np.nan, np.nan]])
    compared = compare(values, np.isnan(values))
    assert compared.winner == 1
    assert compared.is_tied.tolist() == [False, True, False]


def test_without_a_score_there_is_no_winner():
    values = np.full((2, 3), np.nan)
    assert compare(values, ~never(values)).winner is None


GAPS = np.array([0.0, 0.2, 0.4, 1.0])[:, None]
"""The best of three finalists, and the defaults far behind: a fid that is 1.2, 1.5 and 2.7 times as high."""


def test_until_resolved_takes_at_most_60_percent_of_the_seeds_at_the_same_error():
    rng, most = np.random.default_rng(5), 20
    looks, fixed, raced, n_trained = tuple(range(3, most + 1)), [], [], []
    for values in GAPS + rng.normal(5, SPREAD, (500, 4, most)):
        whole = compare(values, never(values))
        fixed.append((whole.winner == 0, whole.is_tied.sum() == 1))
        ended = race(values, never(values), looks)
        raced.append((ended.is_in[0], ended.is_resolved))
        n_trained.append(trained(values, looks))
    assert share_resolved(raced, right=True) >= share_resolved(fixed, right=True) - 0.01
    assert share_resolved(fixed, right=True) > 0.85
    assert share_resolved(raced, right=False) <= share_resolved(fixed, right=False) + 0.01
    assert np.mean(n_trained) <= 0.6 * 4 * most


def share_resolved(outcomes, *, right):
    """Return the share of races with one configuration left: the best one, or wrongly another."""
    return np.mean([is_best == right and is_resolved for is_best, is_resolved in outcomes])


def trained(values, looks):
    """Return how many trials a race trains: the remaining configurations, up to each number of seeds."""
    known = np.full_like(values, np.nan)
    ended = race(known, never(known), looks)
    for look in looks:
        if ended.is_resolved:
            break
        left = np.flatnonzero(ended.is_in)
        known[left, :look] = values[left, :look]
        ended = race(known, never(known), looks)
    return int((~np.isnan(known)).sum())


def test_until_resolved_rejects_one_of_equals_at_the_nominal_rate():
    rng = np.random.default_rng(6)
    sets = rng.normal(5, SPREAD, (REPETITIONS, 3, 8))
    rejected = np.mean([not race(values, never(values), tuple(range(3, 9))).is_in.all() for values in sets])
    assert 0.035 <= rejected <= 0.065
