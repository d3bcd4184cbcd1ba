"""Binary cross-entropy, the non-saturating GAN loss."""

from torch import Tensor
from torch.nn.functional import softplus

from gan_core.losses import Loss, losses


@losses.register("bce")
class BinaryCrossEntropy(Loss):
    r"""The non-saturating GAN loss (Goodfellow et al., 2014, arXiv:1406.2661).

    With :math:`p = \sigma(\text{logit})`, :math:`-\log p = \text{softplus}(-\text{logit})`:

    .. math:: L_D = -E[\log p_\text{real}] - E[\log(1 - p_\text{fake})], \quad L_G = -E[\log p_\text{fake}]
    """

    @staticmethod
    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy with real images labelled 1 plus that with generated ones labelled 0."""
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    @staticmethod
    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy with generated images labelled 1."""
        return softplus(-fake_logits).mean()
