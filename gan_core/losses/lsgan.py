"""The least-squares loss."""

from torch import Tensor

from gan_core.losses import Loss, losses


@losses.register("lsgan")
class LeastSquares(Loss):
    r"""The least-squares GAN loss with labels 1 and 0 (Mao et al., 2017, arXiv:1611.04076).

    .. math:: L_D = \tfrac12 E[(D(x) - 1)^2] + \tfrac12 E[D(G(z))^2], \quad L_G = \tfrac12 E[(D(G(z)) - 1)^2]
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return half the mean squared error of real logits to 1 plus that of generated logits to 0."""
        return 0.5 * (real_logits - 1).square().mean() + 0.5 * fake_logits.square().mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return half the mean squared error of generated logits to 1."""
        return 0.5 * (fake_logits - 1).square().mean()
