"""The critic's estimate of the Wasserstein distance."""

from torch import Tensor

from gan_core.losses import Loss, losses


@losses.register("wasserstein")
class Wasserstein(Loss):
    r"""The Wasserstein GAN loss (Arjovsky et al., 2017, arXiv:1701.07875).

    .. math:: L_D = E[D(G(z))] - E[D(x)], \quad L_G = -E[D(G(z))]

    It estimates a distance only where the discriminator is Lipschitz: cross it with a gradient penalty or
    spectral normalisation.
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return how much higher generated images score than real ones."""
        return fake_logits.mean() - real_logits.mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return minus the score of generated images."""
        return -fake_logits.mean()
