import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from gan_core.losses import losses

REAL = torch.tensor([[2.0], [-1.0], [0.5]], dtype=torch.float64)
FAKE = torch.tensor([[-0.3], [1.5], [-4.0]], dtype=torch.float64)
ONES, ZEROS = torch.ones_like(REAL), torch.zeros_like(REAL)
CROSS_ENTROPY = binary_cross_entropy_with_logits(REAL, ONES) + binary_cross_entropy_with_logits(FAKE, ZEROS)

KNOWN_ANSWERS = {
    "bce": (CROSS_ENTROPY, binary_cross_entropy_with_logits(FAKE, ONES)),
    "minimax": (CROSS_ENTROPY, -binary_cross_entropy_with_logits(FAKE, ZEROS)),
    "lsgan": ((mse_loss(REAL, ONES) + mse_loss(FAKE, ZEROS)) / 2, mse_loss(FAKE, ONES) / 2),
    "wasserstein": (-2.8 / 3 - 1.5 / 3, 2.8 / 3),
    "hinge": ((0 + 2 + 0.5) / 3 + (0.7 + 2.5 + 0) / 3, 2.8 / 3),
    "relativistic": (
        binary_cross_entropy_with_logits(REAL - FAKE, ONES),
        binary_cross_entropy_with_logits(FAKE - REAL, ONES),
    ),
}


def test_every_loss_has_a_known_answer():
    assert KNOWN_ANSWERS.keys() == set(losses.names())


@pytest.mark.parametrize("name", losses.names())
def test_known_answers(name):
    loss, (d_loss, g_loss) = losses.get(name), KNOWN_ANSWERS[name]
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(float(d_loss))
    assert loss.generator(REAL, FAKE).item() == pytest.approx(float(g_loss))


@pytest.mark.parametrize("name", losses.names())
def test_real_logits_are_asked_for_only_where_the_loss_depends_on_them(name):
    loss = losses.get(name)
    if loss.generator_uses_real:
        assert loss.generator(REAL, FAKE) != loss.generator(REAL + 1, FAKE)
    else:
        assert loss.generator(None, FAKE) == loss.generator(REAL, FAKE)


def test_bce_stays_finite_for_logits_that_saturate_a_sigmoid():
    loss = losses.get("bce")
    assert loss.discriminator(-1000 * ONES, 1000 * ONES).item() == 2000
    assert loss.generator(None, -1000 * ONES).item() == 1000
