from benchmarks.own_loop import bounds, figures


def test_the_bounds_enclose_the_mean_ratio():
    mean, lower, upper = bounds([1.0, 1.02, 0.98, 1.01, 0.99])
    assert lower < mean < upper
    assert abs(mean - 1) < 0.001


def test_a_loop_with_the_trainers_steps_is_compared_with_the_built_in_one():
    ratio, bound = figures(pairs=2, steps=1)
    assert ratio.spread[0] < ratio.measured < ratio.spread[1] == bound.measured
    assert bound.asked == 1.01
