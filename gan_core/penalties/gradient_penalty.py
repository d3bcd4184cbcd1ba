"""The gradient penalty of WGAN-GP."""

import torch
from torch import Generator, Tensor, nn

from gan_core.gradients import image_gradients, one_centered_penalty
from gan_core.penalties import penalties


@penalties.register("gradient-penalty")
def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor, rng: Generator) -> Tensor:
    r"""Pull gradient norms between real and generated images to 1 (Gulrajani et al., 2017, arXiv:1704.00028).

    .. math:: E[(|\nabla D(\hat x)| - 1)^2], \quad \hat x = \epsilon x + (1 - \epsilon) G(z)

    with one :math:`\epsilon`, uniform on [0, 1), per sample. The paper's weight is 10.
    """
    epsilon = torch.rand(len(real), 1, 1, 1, generator=rng, device=real.device, dtype=real.dtype)
    return one_centered_penalty(image_gradients(discriminator, epsilon * real + (1 - epsilon) * fake))
