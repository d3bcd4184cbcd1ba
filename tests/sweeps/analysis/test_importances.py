import numpy as np
import pandas as pd
import pytest

import sweeps
from sweeps.analysis.importances import parameter_importances
from tests.sweeps.ledgers import write_sweep


def test_the_parameter_that_determines_the_score_is_the_most_important():
    n = 60
    generator = np.random.default_rng(0)
    trials = pd.DataFrame(
        {
            "status": "completed",
            "lr": 10 ** generator.uniform(-4, -1, n),
            "beta1": generator.uniform(0, 1, n),
            "loss": generator.choice(["bce", "lsgan"], n),
        }
    )
    trials["search_fid"] = 100 * (np.log10(trials["lr"]) + 2) ** 2
    trials["search_recall"] = trials["beta1"]
    by_fid = parameter_importances(trials, ["beta1", "loss", "lr"], logarithmic=["lr"])
    assert by_fid.index[0] == "lr"
    assert by_fid.sum() == pytest.approx(1)
    assert parameter_importances(trials, ["beta1", "loss", "lr"], "recall").index[0] == "beta1"


def test_importances_of_two_trials_are_zero(tmp_path):
    write_sweep(tmp_path)
    sweep = sweeps.load("tiny", tmp_path)
    shares = parameter_importances(sweep.trials.head(2), sweep.searched)
    assert set(shares) == {0.0}
    assert set(shares.index) == set(sweep.searched)
