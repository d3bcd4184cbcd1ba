import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from gan_core.losses import losses

REAL = torch.tensor([[2.0], [-1.0], [0.5]], dtype=torch.float64)
FAKE = torch.tensor([[-0.3], [1.5], [-4.0]], dtype=torch.float64)
ONES, ZEROS = torch.ones_like(REAL), torch.zeros_like(REAL)


def test_bce_is_torchs_cross_entropy():
    loss = losses.get("bce")
    real, fake = binary_cross_entropy_with_logits(REAL, ONES), binary_cross_entropy_with_logits(FAKE, ZEROS)
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), real + fake)
    torch.testing.assert_close(loss.generator(FAKE), binary_cross_entropy_with_logits(FAKE, ONES))


def test_lsgan_is_half_of_torchs_squared_error():
    loss = losses.get("lsgan")
    torch.testing.assert_close(
        loss.discriminator(REAL, FAKE), (mse_loss(REAL, ONES) + mse_loss(FAKE, ZEROS)) / 2
    )
    torch.testing.assert_close(loss.generator(FAKE), mse_loss(FAKE, ONES) / 2)


def test_bce_stays_finite_for_logits_that_saturate_a_sigmoid():
    loss = losses.get("bce")
    assert loss.discriminator(-1000 * ONES, 1000 * ONES).item() == 2000
    assert loss.generator(-1000 * ONES).item() == 1000
