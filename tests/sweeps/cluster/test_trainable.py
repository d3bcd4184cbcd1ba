"""One trial in a worker."""

from math import inf, nan
from types import SimpleNamespace

import pytest

from sweeps.cluster.trainable import GanTrainable

SCORES = {"fid": 50.0, "kid": 0.1}


def step_of(metrics, final=None):
    """Return the result of a step whose training reports these metrics."""
    trainable = GanTrainable.__new__(GanTrainable)
    trainable._checkpoint = SimpleNamespace(exists=lambda: False)
    trainable._uploads = trainable._taken_over = None
    trainable._mishaps, trainable._place = [], {"host": "here"}
    trainable._reports = iter([SimpleNamespace(step=10, metrics=metrics, final=final)])
    return trainable.step()


@pytest.mark.parametrize(
    ("metrics", "final", "reason"),
    [
        (SCORES | {"kid": inf}, None, "kid is not finite at step 10"),
        (SCORES | {"fid": nan, "kid": -inf}, None, "fid, kid is not finite at step 10"),
        (SCORES, SCORES | {"fid": nan, "memorisation": nan}, "fid is not finite at step 10"),
    ],
)
def test_a_score_that_is_not_finite_is_a_divergence_of_the_trial(metrics, final, reason):
    result = step_of(metrics, final)
    assert (result["status"], result["reason"], result["done"]) == ("diverged", reason, True)
