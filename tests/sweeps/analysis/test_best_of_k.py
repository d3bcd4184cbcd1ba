from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from sweeps.analysis.best_of_k import expected_best


def test_without_a_score_nothing_is_expected():
    assert not len(expected_best([], n_diverged=2))


@pytest.mark.parametrize(("metric", "best"), [("fid", min), ("recall", max)])
@pytest.mark.parametrize("n_diverged", [0, 2])
def test_the_expected_best_is_the_mean_over_all_draws(metric, best, n_diverged):
    scores = [5.0, 1.0, 8.0, 2.0]
    expected = expected_best(scores, metric, n_diverged=n_diverged)
    pool = [*scores, *[None] * n_diverged]
    for row in expected.itertuples():
        draws = ([x for x in draw if x is not None] for draw in combinations(pool, row.trials))
        bests = sorted(best(draw) for draw in draws if draw)
        assert row.mean == pytest.approx(fmean(bests))
        assert row.low == pytest.approx(np.quantile(bests, 0.1, method="inverted_cdf"))
        assert bests[0] <= row.low <= row.high <= bests[-1]
    assert expected["trials"].tolist() == list(range(1, len(pool) + 1))
    assert expected["mean"].iloc[-1] == best(scores)
