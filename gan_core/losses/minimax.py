"""The saturating loss of the original minimax game."""

from torch import Tensor
from torch.nn.functional import softplus

from gan_core.losses import Loss, losses


@losses.register("minimax")
class Minimax(Loss):
    r"""The minimax GAN loss (Goodfellow et al., 2014, arXiv:1406.2661, equation 1).

    .. math::
        L_D = -E[\log p_\text{real}] - E[\log(1 - p_\text{fake})], \quad
        L_G = E[\log(1 - p_\text{fake})]

    If the discriminator is confident, the generator's gradient vanishes; ``bce`` avoids that.
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy with real images labelled 1 plus that with generated ones labelled 0."""
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative cross-entropy with generated images labelled 0."""
        return -softplus(fake_logits).mean()
