"""The critic's estimate of the Wasserstein distance."""

from torch import Tensor

from gan_core.losses import Loss, losses


@losses.register("wasserstein")
class Wasserstein(Loss):
    r"""The Wasserstein GAN loss (Arjovsky et al., 2017, arXiv:1701.07875).

    .. math:: L_D = E[D(G(z))] - E[D(x)], \quad L_G = -E[D(G(z))]

    The loss estimates a distance only if the discriminator is Lipschitz: combine it with a gradient penalty
    or spectral normalization.
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the mean logit of generated images minus that of real images."""
        return fake_logits.mean() - real_logits.mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean logit of generated images."""
        return -fake_logits.mean()
