"""The relativistic pairing loss."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from gan_core.losses import Loss, losses


@losses.register("relativistic")
class Relativistic(Loss):
    r"""The relativistic pairing GAN loss (Jolicoeur-Martineau, 2018, arXiv:1807.00734).

    Each generated image is paired with a real one:

    .. math:: L_D = -E[\log \sigma(D(x) - D(G(z)))], \quad L_G = -E[\log \sigma(D(G(z)) - D(x))]
    """

    generator_uses_real: ClassVar[bool] = True

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of classifying the real image of each pair as the real one."""
        return softplus(fake_logits - real_logits).mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of classifying the generated image of each pair as the real one."""
        if real_logits is None:
            raise ValueError("the relativistic loss needs the real logits")
        return softplus(real_logits - fake_logits).mean()
