"""The choice of a portfolio from recorded trials."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.portfolio import as_configuration, cover, left_out, worlds_of


def table(architecture, best_lr, n=40):
    """Return a table in which the configuration nearest to a learning rate is the best one."""
    draw = np.random.default_rng(0)
    rates = np.exp(draw.uniform(np.log(1e-4), np.log(1e-2), n))
    return pd.DataFrame(
        {
            "dataset": "mnist-5k",
            "architecture": architecture,
            "loss": "bce",
            "steps": 100,
            "configuration": range(n),
            "seed": 0,
            "step": 100,
            "diverged": rates > 9e-3,
            "noise_dim": 64,
            "lr": rates,
            "beta1": 0.5,
            "beta2": 0.999,
            "leaky_slope": 0.2,
            "fid": 10 + 100 * np.abs(np.log(rates / best_lr)),
        }
    ).assign(noise_dim=draw.integers(16, 128, n), beta1=draw.uniform(0, 0.9, n))


@pytest.fixture
def worlds(tmp_path):
    files = []
    for architecture, best_lr in (("mlp", 3e-4), ("dcgan", 3e-3)):
        files.append(tmp_path / f"{architecture}.parquet")
        table(architecture, best_lr).to_parquet(files[-1])
    return worlds_of([*files, files[0]])


def test_two_configurations_cover_two_worlds_with_other_optima(worlds):
    assert [world.name for world in worlds] == [
        "mnist-5k, dcgan, bce, 100 steps",
        "mnist-5k, mlp, bce, 100 steps",
    ]
    rates = sorted(as_configuration(point)["lr"] for point in cover(worlds, 3)[1:])
    assert rates[0] < 9e-4 < rates[-1]


def test_what_diverged_ranks_last(worlds):
    assert worlds[0].ranks[worlds[0].points[:, 1] > np.log(9e-3)].min() > 0.9


def test_each_world_is_left_out_once(worlds):
    frame = left_out(worlds)
    assert frame["left out"].tolist() == frame["world"].tolist()
    assert frame["best of portfolio"].between(-0.5, 1.5).all()
