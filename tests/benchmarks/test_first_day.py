"""The README's sweep, replayed in a world of its own."""

import numpy as np
import pytest

from benchmarks.verdict.first_day import day


class Valley:
    """A world in which only the learning rate matters; 3e-3 is the best one."""

    def __init__(self, noise):
        self.noise = noise
        self.fixed = {"steps": 80, "report_every": 10}

    def expected(self, params):
        return np.log(100) + abs(np.log(params["lr"] / 3e-3)) + np.linspace(0.7, 0, 8)

    def luck(self, params, expected, rng):
        return rng.normal(0, self.noise, len(expected))


SMALL = ["trials=6", "confirm.top=1"]


def test_a_clear_gain_is_significant_and_compares_the_winner_with_the_defaults():
    found = day(Valley(0.05), 0, SMALL)
    assert found.is_significant
    assert found.share == pytest.approx(found.truth, rel=0.2)
    assert found.truth < 0.5
    assert 1 <= found.trials <= 6


def test_noise_alone_gives_no_significant_gain():
    found = day(Valley(2.0), 0, SMALL)
    assert not found.is_significant
