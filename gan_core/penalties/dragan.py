"""The DRAGAN penalty."""

import torch
from torch import Generator, Tensor, nn

from gan_core.gradients import image_gradients, one_centered_penalty
from gan_core.penalties import penalties


@penalties.register("dragan")
def dragan(discriminator: nn.Module, real: Tensor, fake: Tensor, rng: Generator) -> Tensor:
    r"""Pull gradient norms near real images to 1 (Kodali et al., 2017, arXiv:1705.07215).

    .. math:: E[(|\nabla D(x + \tfrac12 \sigma(x) u)| - 1)^2]

    with :math:`u` uniform on [0, 1) per pixel and :math:`\sigma(x)` the standard deviation of the batch; the
    paper uses normal noise of fixed scale. The paper's weight is 10.
    """
    noise = torch.rand(real.shape, generator=rng, device=real.device, dtype=real.dtype)
    return one_centered_penalty(image_gradients(discriminator, real + 0.5 * real.std() * noise))
