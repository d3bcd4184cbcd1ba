import numpy as np
import pytest

from sweeps.analysis.statistics import Scale, probability_of_lower_rate, rate_interval


def test_fid_is_compared_by_ratios_and_other_metrics_by_differences():
    fid, kid, recall = Scale("fid", True), Scale("kid", True), Scale("recall", False)
    assert fid.gain(np.array([50.0]), 100.0) == pytest.approx(2)
    assert kid.gain(np.array([-0.1]), 0.1) == pytest.approx(0.2)
    assert recall.gain(np.array([0.5]), 0.4) == pytest.approx(0.1)
    for scale in (fid, kid, recall):
        scores = np.array([0.2, 0.7])
        assert scale.from_scale(scale.to_scale(scores)) == pytest.approx(scores)
    assert np.isnan(fid.to_scale(np.array([np.nan]))).all()


def test_one_failure_in_three_says_little_about_a_rate():
    low, high = rate_interval(np.array([0.0, 1.0, 3.0, 0.0]), np.array([3, 3, 3, 0]))
    assert low[:3] == pytest.approx([0, 0.04, 0.46], abs=0.01)
    assert high[:3] == pytest.approx([0.54, 0.82, 1], abs=0.01)
    assert np.isnan([low[3], high[3]]).all()


def test_the_probability_of_a_lower_rate():
    assert probability_of_lower_rate((1, 3), (1, 3)) == pytest.approx(0.5, abs=0.01)
    assert probability_of_lower_rate((0, 3), (3, 3)) > 0.99
    assert 0.7 < probability_of_lower_rate((0, 3), (1, 3)) < 0.95
