"""The traces of :mod:`tests.gan_core.golden` are in the tutorial's range and reproducible."""

import json

import pytest

from tests.gan_core.golden import FILE, START, SYSTEMS, trace

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))

NOTEBOOK = {
    "GAN": {"d_loss": (0.6571, 1.364), "g_loss": (0.6648, 2.19)},
    "LSGAN": {"d_loss": (0.07425, 0.621), "g_loss": (0.1959, 0.6031)},
    "DCGAN": {"d_loss": (0.7821, 1.387), "g_loss": (0.6381, 1.807)},
}
"""The lowest and highest loss of the one run of each system that the tutorial shows."""

ROUNDING = {"GAN": 1e-2, "LSGAN": 1e-2, "DCGAN": 5e-2}
"""The relative tolerance for another CPU's rounding after ten steps in float32: through batch normalization,
two threads instead of one change the DCGAN's values by 0.003."""


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("column", "loss"), [(1, "d_loss"), (2, "g_loss")])
def test_the_losses_reach_the_range_that_the_tutorial_printed(system, column, loss):
    """Each loss is of one batch. LSGAN's discriminator is stronger here: it sees 4,000 digits, not 60,000."""
    lowest, highest = NOTEBOOK[system][loss]
    within = [lowest <= report[column] <= highest for report in GOLDEN[system]["whole"]]
    assert sum(within) >= (3 if (system, loss) == ("LSGAN", "d_loss") else len(within) / 2)


@pytest.mark.parametrize("system", SYSTEMS)
def test_training_goes_as_it_went(system, digits, evaluator):
    for now, then in zip(trace(system, digits, evaluator, **START), GOLDEN[system]["start"], strict=True):
        assert now[0] == then[0]
        assert now[1:] == pytest.approx(then[1:], rel=ROUNDING[system])
