"""The hinge loss."""

from torch import Tensor
from torch.nn.functional import relu

from gan_core.losses import Loss, losses


@losses.register("hinge")
class Hinge(Loss):
    r"""The hinge GAN loss (Lim and Ye, 2017, arXiv:1705.02894).

    .. math:: L_D = E[\max(0, 1 - D(x))] + E[\max(0, 1 + D(G(z)))], \quad L_G = -E[D(G(z))]
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the hinge loss of real logits below 1 plus that of generated logits above -1."""
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean logit of generated images."""
        return -fake_logits.mean()
