"""The model of scores over seeds, on known answers."""

from dataclasses import replace

import numpy as np
import pytest

from sweeps.analysis.seed_noise import Prior, after_each_seed, chance_below, collapse_probability, posterior

PRIOR = Prior(np.log(0.25), 0.5, 0.05, 1.5)
KNOWN = Prior(np.log(0.2), 1e-6, 0.0, 0.0)


def test_with_a_known_deviation_the_posterior_is_normal():
    values = np.array([[1.0, 1.2, 1.4], [2.0, 2.1, 2.2]])
    found = posterior(values, KNOWN)
    assert found.mean == pytest.approx(values.mean(axis=1), abs=1e-6)
    assert found.deviation == pytest.approx([0.2 / 3**0.5] * 2, rel=0.01)
    low, high = found.interval(0.05)
    assert (high - low) / 2 == pytest.approx([1.96 * 0.2 / 3**0.5] * 2, rel=0.02)
    mean, low, high = found.difference(1, 0, 0.05)
    assert mean == pytest.approx(0.9, abs=1e-6)
    assert high - mean == pytest.approx(1.96 * 0.2 * (2 / 3) ** 0.5, rel=0.02)


def test_equal_configurations_are_equally_likely_to_be_better():
    found = posterior(np.array([[1.0, 1.2], [1.0, 1.2]]), PRIOR)
    assert found.better_than(np.array(0)) == pytest.approx([0.5, 0.5])


def test_the_six_scores_of_the_readme_show_a_gain():
    fids = np.array([[246.0, 355.0, 358.0], [874.0, 1136.0, 1305.0]])
    found = posterior(np.log(fids), replace(PRIOR, m=np.log(0.22 * 1.2)))
    assert np.exp(found.difference(1, 0, 0.05)) == pytest.approx([3.46, 2.1, 5.6], rel=0.03)
    assert found.better_than(np.array(0))[1] < 0.001


def test_a_seed_that_collapses_hardly_moves_the_mean_and_is_found():
    good, collapsed = [0.0, 0.1, -0.1, 0.05], [0.0, 0.1, -0.1, 1.6]
    values = np.array([good, collapsed])
    found = posterior(values, PRIOR)
    assert abs(found.mean[1] - found.mean[0]) < 0.15
    assert collapse_probability(values, PRIOR)[1].round().tolist() == [0, 0, 0, 1]


def test_a_missing_score_says_nothing():
    values = np.array([[0.0, 0.2, np.nan], [1.0, np.nan, np.nan], [np.nan] * 3])
    found, without = posterior(values, PRIOR), posterior(values[:2, :2], PRIOR)
    assert found.mean[:2] == pytest.approx(without.mean, abs=1e-6)
    assert np.isnan(found.mean[2])
    assert np.isnan(found.interval(0.05)[0][2])


def test_the_posterior_after_the_last_seed_is_the_posterior():
    values = PRIOR.draw(np.zeros((4, 3)), 5, np.random.default_rng(0))
    *_, last = after_each_seed(values, PRIOR)
    assert last.mean == pytest.approx(posterior(values, PRIOR).mean)


def test_the_best_of_many_is_lower_than_one():
    found = posterior(np.array([[0.0, 0.1, -0.1]]), KNOWN)
    one, many = (float(chance_below(found, KNOWN, -0.3, n)[0]) for n in (1, 200))
    assert one == pytest.approx(0.097, abs=0.01)
    assert many > 0.95
    assert chance_below(found, KNOWN, -3.0, 200)[0] < 1e-6


def test_the_expected_loss_of_the_best_is_small_and_of_another_its_distance():
    found = posterior(np.array([[0.0, 0.05, -0.05], [1.0, 1.05, 0.95], [-2.0, -2.0, -2.0]]), KNOWN)
    loss = found.expected_loss(np.array([True, True, False]))
    assert loss[:2] == pytest.approx([0, 1], abs=0.01)


def test_intervals_cover_the_means():
    values = PRIOR.draw(np.zeros((200, 3)), 4, np.random.default_rng(1))
    low, high = posterior(values, PRIOR).interval(0.05)
    assert 0.93 < ((low < 0) & (high > 0)).mean() < 0.97


def test_means_are_found_where_scores_lie_thousands_of_deviations_apart():
    values = np.array([[0.0102, 0.0103, 0.0101], [0.0111, 0.011, 0.0112], [1.0, 1.0001, 0.9999]])
    found = posterior(values, Prior(np.log(0.0001), 0.5, 0.0, 0.0))
    assert found.mean == pytest.approx(values.mean(axis=1), abs=0.0001)
    low, high = found.interval(0.05)
    assert (high > low).all()
    assert found.better_than(np.array(0))[1] < 0.001
